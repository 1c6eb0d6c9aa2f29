"""The dashboard in a real browser, as a user would click."""
