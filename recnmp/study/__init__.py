"""Questions asked of a trace or of many runs; a study adds no model of its own."""
