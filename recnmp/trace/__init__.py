"""Which entries are read: traces, where they come from and what is in them."""
