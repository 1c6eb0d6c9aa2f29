"""Tests that talk to real servers."""
