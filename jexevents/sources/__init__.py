"""One module a producer: what it sends becomes an Event; pure, no input or output."""
