"""HTCondor's job event log: splitting a log, reading an event in each of its three forms.

``parse.parse`` reads one event, ``split.Splitter`` cuts a log into events,
``times.resolve`` turns what a header says of time into an instant.
"""
