"""``python -m bench``: what the daemon carries, measured against real servers."""
