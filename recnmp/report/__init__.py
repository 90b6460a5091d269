"""What a run found: the result document, where it came from, and how it is shown."""
