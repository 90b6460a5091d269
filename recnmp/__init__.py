"""recnmp: near-memory processing of embedding gather-reduce, from a real trace to end-to-end time."""

__version__ = "0.1.0"
