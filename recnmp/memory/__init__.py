"""How long DRAM takes: requests in, an exact FR-FCFS schedule out, an independent judge beside it."""
