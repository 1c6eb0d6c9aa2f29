"""Container tasks: images that are registered, their runs, and what became of these (stevedore)."""
