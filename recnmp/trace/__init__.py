"""Which entries are read: traces of embedding lookups, their capture from PyTorch and their storage."""
