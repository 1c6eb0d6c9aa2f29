"""The HTTP sidecar: the only package that knows bottle and waitress.

``routes`` says what a route is, ``app`` makes a WSGI callable of a table of them, ``auth`` and
``tokens`` decide who may call, ``server`` and ``bind`` put it on a socket. Each surface is a
module with one visible table of routes.
"""
