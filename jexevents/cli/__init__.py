"""The commands: thin; what they do stands in the packages below."""

from jexevents.cli.main import main

__all__ = ["main"]
