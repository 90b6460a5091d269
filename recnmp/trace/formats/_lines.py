"""Lines of text of one width from numbers, by the million."""

import numpy as np
from numpy.typing import NDArray

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_HEX, _DECIMAL = "\x01", "\x02"
_ADDRESS_DIGITS = 12


def lines(template: str, address: NDArray[np.uint64], clock: NDArray[np.int64] | None = None) -> bytes:
    """Return a line for each address: ``template``, ``{address}`` in hexadecimal and ``{clock}`` in decimal digits.

    Digits in front are zeros, which every reader skips. Addresses have at most 48 bits.
    """
    width = len(str(int(clock.max()))) if clock is not None and len(clock) else 1
    line = template.format(address=_HEX * _ADDRESS_DIGITS, clock=_DECIMAL * width)
    text = np.frombuffer(line.encode() + b"\n", np.uint8)
    out = np.tile(text, (len(address), 1))
    for mark, base, values in ((_HEX, 16, address), (_DECIMAL, 10, clock)):
        left = None if values is None else values.astype(np.uint64)
        for column in np.flatnonzero(text == ord(mark))[::-1]:
            assert left is not None, "a template with a clock needs clocks"
            left, digit = np.divmod(left, np.uint64(base))
            out[:, column] = _DIGITS[digit]
    return out.tobytes()
