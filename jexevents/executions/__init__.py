"""Executions of jobs that we run: asked for, reported, ordered about. Starts nothing itself."""
