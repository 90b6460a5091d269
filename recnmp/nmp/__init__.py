"""Who reads and who adds: one file per architecture, the host's gather among them."""
