"""Designs looked for: which options are open, who chooses what is tried, what no other design beats."""
