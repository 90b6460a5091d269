"""Time of the dense part: measured on this CPU or taken from a stored device profile."""
