"""Which rank a table goes to when ranks are to have equal work."""

import numpy as np
from numpy.typing import NDArray


def balanced_colours(
    lookups: NDArray[np.int64], pages: NDArray[np.int64], colours: int, room: int
) -> NDArray[np.int64]:
    """Return the rank of each table: most looked up first, each to the rank with fewest lookups so far.

    That is longest processing time first (Graham, 1969): the busiest rank has at most 4/3 - 1/(3 R) of the least
    it could have, as long as no rank is full. Ranks with equally many lookups are told apart by the pages they
    hold, then by number; a rank without room for a table is passed over.

    Args:
        lookups: lookups that a profile counted in each table, shape (T,).
        pages: pages of each table, shape (T,).
        colours: ranks over all channels, R.
        room: pages of a rank; when no rank has as many left, the one with most left is returned nonetheless.
    """
    colour = np.zeros(len(lookups), np.int64)
    load, held = np.zeros(colours, np.int64), np.zeros(colours, np.int64)
    for table in np.lexsort((-pages, -lookups)):
        best = np.lexsort((held, load))
        fits = best[held[best] + pages[table] <= room]
        chosen = fits[0] if len(fits) else held.argmin()
        colour[table] = chosen
        load[chosen] += lookups[table]
        held[chosen] += pages[table]
    return colour
