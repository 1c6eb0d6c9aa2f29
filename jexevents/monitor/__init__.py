"""Follows logs of HTCondor while they grow and are rotated, and publishes their events."""
