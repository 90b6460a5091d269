"""Which bursts a cache keeps away from DRAM; one file per replacement policy."""
