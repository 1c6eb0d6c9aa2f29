"""Definitions of jobs: the git repository they stand in, what they say, and what is run of them."""
