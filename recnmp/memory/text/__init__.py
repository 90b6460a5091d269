"""Kernels that find words and numbers in text."""
