"""Runs containers, each by the engine of this node; see ``jexevents.runner.executor``."""
