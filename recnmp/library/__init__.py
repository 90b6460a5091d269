"""Facts as data files: what hardware and models are, each value with its source."""
