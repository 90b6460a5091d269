"""A sweep on one page: which points there are, what moves their figures, where they came from."""
