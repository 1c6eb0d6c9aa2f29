"""Jobs that we run ourselves."""
