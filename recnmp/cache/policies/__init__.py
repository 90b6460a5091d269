"""Replacement policies: a new file here that says ``PLUGIN = True`` is a new choice.

A policy is a docstring with its source and tie rules, ``Options`` (a frozen dataclass, every option with a
default), and ``hits(stream, ways, options)``, which returns which accesses of a ``recnmp.cache.stream.Stream`` hit a
cache that starts empty. It may also say
    NEEDS: what of the stream beside the accesses it is told (``profile``, ``batch``, ``sample``); nothing if absent.
    BYPASSES = True: what is read may stay outside.
    SEES_FUTURE = True: it is a bound, not a cache that can be built.
    AT_ONCE = True: all lookups of a sample are looked up before one of them comes in.
    ONE_SET = True: it is fully associative by its nature.
"""
