"""Programs that a measurement starts beside the daemon: clients, publishers, other consumers.

Each is a process of its own, so that it shares no interpreter lock with what measures. It reads
one JSON object from its standard input and writes one, its result, to its standard output.
"""
