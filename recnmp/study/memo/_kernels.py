"""Loops of memoization: parts grown item by item, clusters merged pair by pair."""

from recnmp._accel import helper, jit


@jit
def grow_parts(bag_start, bag_item, weight, item_start, item_bag, by_heat, part_of, room, work):
    """Give every item a part: the hottest free one first, then whoever shares most bag weight with the part so far.

    Bags and items are two views of the same pins. ``by_heat`` holds the items of one table, hottest first;
    ``room`` is the size of each part, shape (P,); ``part_of``, -1 where an item is free, takes the outcome.
    ``work``, shape (3, items), starts at 0: gains, items that have one, and whether an item is among those.
    """
    gain, touched, known = work[0], work[1], work[2]
    hottest = 0
    for part in range(len(room)):
        n_touched = 0
        for _ in range(room[part]):
            best, most = -1, 0
            kept = 0
            for k in range(n_touched):
                i = touched[k]
                if part_of[i] >= 0:
                    continue
                touched[kept] = i
                kept += 1
                if gain[i] > most or (gain[i] == most and i < best):
                    best, most = i, gain[i]
            n_touched = kept
            if best < 0:
                while part_of[by_heat[hottest]] >= 0:
                    hottest += 1
                best = by_heat[hottest]
            part_of[best] = part
            for k in range(item_start[best], item_start[best + 1]):
                bag = item_bag[k]
                for pin in range(bag_start[bag], bag_start[bag + 1]):
                    i = bag_item[pin]
                    if part_of[i] >= 0:
                        continue
                    gain[i] += weight[bag]
                    if known[i] != part + 1:
                        known[i] = part + 1
                        touched[n_touched] = i
                        n_touched += 1
        for k in range(n_touched):
            gain[touched[k]] = 0


@helper
def _best_partner(i, n, benefit, rows):
    """Return the partner of cluster ``i`` with the highest ratio among those that come after it, -1 for none."""
    best, most = -1, 0.0
    for j in range(i + 1, n):
        if rows[j] > 0.0 and benefit[i, j] > 0:
            ratio = benefit[i, j] / (rows[i] * rows[j])
            if ratio > most:
                best, most = j, ratio
    return best


@helper
def _join(i, j, group, length, pins, weight, n, benefit):
    """Let cluster ``i`` take in ``j``: a bag of both counts once, in the benefit of the union with any third one."""
    for c in range(n):
        benefit[i, c] += benefit[j, c]
        benefit[c, i] = benefit[i, c]
    for g in range(len(length)):
        first = group[g]
        at_i = at_j = -1
        for k in range(first, first + length[g]):
            if pins[k] == i:
                at_i = k
            elif pins[k] == j:
                at_j = k
        if at_j < 0:
            continue
        if at_i < 0:
            pins[at_j] = i
            continue
        length[g] -= 1
        pins[at_j] = pins[first + length[g]]
        for k in range(first, first + length[g]):
            c = pins[k]
            benefit[i, c] -= weight[g]
            benefit[c, i] = benefit[i, c]


@jit
def merge_part(n, group, length, pins, weight, most_rows, benefit, rows, partner, pair, ratio, cost):
    """Merge the clusters of a part, best pair first, while a merge saves a read; return the number of merges.

    The part has ``n`` items, numbered 0 on; each is a cluster at first, and a cluster goes by its least item.
    Bags with two items of the part have their first pin, number of pins and weight in ``group``, ``length`` and
    ``weight``, shape (G,), and their items in ``pins``; ``length`` and ``pins`` are changed. A merge that takes
    more sums than ``most_rows`` is the last. ``benefit``, 0 at first, ``rows`` and ``partner`` are room for (n,
    n), (n,) and (n,) values. Merge k joins ``pair[k]`` at benefit over cost ``ratio[k]`` and takes ``cost[k]``
    sums more.
    """
    for g in range(len(group)):
        for k in range(group[g], group[g] + length[g]):
            for m in range(k + 1, group[g] + length[g]):
                benefit[pins[k], pins[m]] += weight[g]
                benefit[pins[m], pins[k]] = benefit[pins[k], pins[m]]
    rows[:n] = 1.0  # sums that a cluster of so many items has, 2^items - 1; 0 once it is part of another
    for i in range(n):
        partner[i] = _best_partner(i, n, benefit, rows)
    done = 0
    while True:
        i, most = -1, 0.0
        for c in range(n):
            if rows[c] > 0.0 and partner[c] >= 0:
                found = benefit[c, partner[c]] / (rows[c] * rows[partner[c]])
                if found > most:
                    i, most = c, found
        if i < 0:
            return done
        j = partner[i]
        pair[done, 0], pair[done, 1], ratio[done], cost[done] = i, j, most, rows[i] * rows[j]
        done += 1
        if cost[done - 1] > most_rows:
            return done
        _join(i, j, group, length, pins, weight, n, benefit)
        rows[i] = (rows[i] + 1.0) * (rows[j] + 1.0) - 1.0
        rows[j] = 0.0
        for c in range(n):
            if rows[c] == 0.0:
                continue
            if c == i or partner[c] == i or partner[c] == j:
                partner[c] = _best_partner(c, n, benefit, rows)
            elif c < i and benefit[c, i] > 0:
                new = benefit[c, i] / (rows[c] * rows[i])
                old = benefit[c, partner[c]] / (rows[c] * rows[partner[c]]) if partner[c] >= 0 else 0.0
                if new > old or (new == old and i < partner[c]):
                    partner[c] = i
