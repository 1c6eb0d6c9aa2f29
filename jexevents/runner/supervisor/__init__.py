"""The program that holds one execution. It imports nothing from outside of this package but the
parts of the standard library that load fast: each start of a job waits for them."""
