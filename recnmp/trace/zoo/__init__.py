"""Model zoo: PyTorch models that really run, one kind per file."""
