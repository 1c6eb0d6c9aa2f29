"""One module a producer: raw message in, plain values out. Nothing here does I/O."""
