"""Speed of replacement policies: accesses per second of CPU time through ``recnmp.cache.policy.policy_hits``.

Items are numbered without gaps before the clock starts, as a study does once for all its caches. Every policy that is
installed takes its turn on the same stream, fully associative and in sets.
"""

import numpy as np
from measuring import Work, compiling, cpu_seconds, interleaved, options, rates, report

from recnmp.cache.policy import find_policy, policy_hits, policy_names
from recnmp.cache.stream import Stream

ENTRIES, EXPONENT = 1_000_000, 1.05
WAYS = {"fully associative": (1, 16384), "4 ways": (4096, 4)}
TARGET = 5.0  # million accesses/s


def make_stream(accesses: int, sets: int) -> Stream:
    rng = np.random.default_rng(1)
    cumulative = np.cumsum(np.arange(1, ENTRIES + 1, dtype=float) ** -EXPONENT)
    rank = np.minimum(np.searchsorted(cumulative, rng.random(accesses) * cumulative[-1]), ENTRIES - 1)
    entry = rng.permutation(ENTRIES)[rank]
    read, item = np.unique(entry, return_inverse=True)
    n = np.arange(accesses)
    profile = np.bincount(item)
    return Stream(item.astype(np.int32), (read % sets).astype(np.int32), sets, n // 40_960, n // 640, profile)


def case(name: str, stream: Stream, ways: int) -> Work:
    return lambda: lambda: policy_hits(name, stream, ways)


def main() -> None:
    chosen = options(str(__doc__), "accesses", 5_000_000)
    names = policy_names()
    small = make_stream(100, 1)
    first_call = sum(cpu_seconds(case(name, small, 4)()) for name in names)
    if chosen.first_call:
        print(first_call)
        return
    cases = {}
    for text, (sets, ways) in WAYS.items():
        stream = make_stream(chosen.accesses, sets)
        for name in names:
            if sets == 1 or not getattr(find_policy(name), "ONE_SET", False):
                cases[f"{name}, {text}"] = case(name, stream, ways)
    seconds = interleaved(cases, chosen.repeats)
    results = [
        {
            "case": name,
            **rates(of, chosen.accesses),
            "target": TARGET,
        }
        for name, of in seconds.items()
    ]
    facts = {"accesses": chosen.accesses, "repeats": chosen.repeats}
    if chosen.compile:
        facts |= compiling(__file__)
    report("Replacement policies", "million accesses/s", results, chosen.json, **facts)


if __name__ == "__main__":
    main()
