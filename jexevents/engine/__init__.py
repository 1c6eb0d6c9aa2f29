"""The container engine: the only package that knows the library docker."""
