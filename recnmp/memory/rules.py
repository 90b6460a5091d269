"""A standard and a policy as the numbers that the engine's kernel works with."""

import numpy as np

from recnmp.errors import ConfigError
from recnmp.library.dram import ALL_BANK_COMMANDS, SAME_BANK, DramSpec
from recnmp.memory import _kernels as kernel
from recnmp.memory.options import ControllerOptions

# commands that the engine can keep waiting after ACT, PRE, RD, WR, REF and PREA
_SPACED = ({0, 1, 2, 3, 4, 5}, {0, 1, 4, 5}, {1, 2, 3, 5}, {1, 2, 3, 5}, {0, 4}, {0, 4})
_WIDE = {(0, 0), (1, 1), (2, 2), (2, 3), (3, 2), (3, 3)}  # command pairs the engine spaces over a whole rank
_ELSEWHERE = {(2, 2), (2, 3), (3, 2), (3, 3)}  # and over the ranks of a channel


def make_rules(spec: DramSpec, options: ControllerOptions, has_writes: bool) -> kernel.Rules:
    """Return a standard and a policy as the kernel's numbers; raises ConfigError for what it cannot do."""
    spec.check_ranks(options.ranks)
    options.check_refresh(spec)
    _check(spec)
    sets = options.refresh == SAME_BANK
    if sets:
        _check_sets(spec)
    org, gaps = spec.organization, spec.gaps
    group_of = np.arange(spec.banks_per_rank) // org.banks_per_group.value
    relation = np.where(group_of[:, None] == group_of[None, :], 1, 2)
    np.fill_diagonal(relation, 0)
    window, window_wait = spec.act_window
    cycles = spec.cycles
    interval = spec.same_bank_interval if sets else cycles["nREFI"]
    return kernel.Rules(
        ranks=options.ranks,
        banks=spec.banks_per_rank,
        own=gaps[:, :, 0].copy(),
        apart=gaps[:, :, 2].copy(),
        wide=np.ascontiguousarray(gaps[:4, :4][:, :, relation], np.int32),
        other=gaps[:4, :4, 3].copy(),
        bus=spec.bus_cycles,
        spaced_pre=int(gaps[kernel.PRE, kernel.PRE].any()),
        act_window=window,
        act_window_wait=window_wait,
        read_latency=cycles["nCL"] + cycles["nBL"],
        write_latency=cycles["nCWL"] + cycles["nBL"],
        refresh_interval=0 if options.refresh == "off" else interval,
        sets=org.banks_per_group.value if sets else 0,
        protect_hits=int(options.policy == "frfcfs_rowhit"),
        read_queue=options.read_queue,
        write_queue=options.write_queue,
        high=options.write_queue * 8 // 10,
        low=-(-options.write_queue * 2 // 10),
        has_writes=int(has_writes),
        close_pages=int(options.page_policy == "closed"),
        hit_cap=options.row_hit_cap or 0,
        forward_writes=int(options.forward_writes),
        merge_reads=int(options.merge_reads),
        hold_slots=int(options.hold_slots),
    )


def _check(spec: DramSpec) -> None:
    """Raise ConfigError for a constraint between commands of all standards that the engine does not space."""
    gaps = spec.gaps
    for x, after in enumerate(ALL_BANK_COMMANDS):
        for y, before in enumerate(ALL_BANK_COMMANDS):
            wide = (x, y) in _WIDE or x >= kernel.REF or y >= kernel.REF
            known = y in _SPACED[x], wide, wide, (x, y) in _ELSEWHERE
            if gaps[x, y, np.logical_not(known)].any():
                raise ConfigError(f"{spec.name}: the engine has no rule of this scope: {after} to {before}")
    window, window_wait = spec.act_window
    if window > kernel.MOST_ACTS:
        raise ConfigError(
            f"{spec.name}: the engine counts {kernel.MOST_ACTS} ACTs of a window at most, not {window}"
        )
    longest = max(int(gaps.max()), window_wait)
    if longest > kernel.LONGEST_WAIT:
        raise ConfigError(
            f"{spec.name}: the engine waits {kernel.LONGEST_WAIT} clocks at most, not {longest}"
        )


def _check_sets(spec: DramSpec) -> None:
    """Raise ConfigError where the engine, which closes a set as it closes a bank, would break a rule for sets."""
    act, pre, rd, wr = kernel.ACT, kernel.PRE, kernel.RD, kernel.WR
    refsb, presb, gaps = kernel.REFSB, kernel.PRESB, spec.gaps
    alike = all((gaps[x, presb] == gaps[x, pre]).all() for x in (act, pre, rd, wr, presb))
    unknown = [(pre, refsb), (presb, act), (presb, refsb)]  # these are kept in the set alone
    others = [(rd, refsb), (wr, refsb), (refsb, presb), (refsb, rd), (refsb, wr), (presb, rd), (presb, wr)]
    if not alike or any(gaps[cell][1:].any() for cell in unknown) or any(gaps[cell].any() for cell in others):
        raise ConfigError(f"{spec.name}: the engine has no such rules for REFsb and PREsb")
