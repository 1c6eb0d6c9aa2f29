"""What ends a measurement."""


class BenchFailed(Exception):
    """A measurement could not be made, or what came out is wrong; the text says what."""
