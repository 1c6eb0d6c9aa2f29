"""Archives looked into without unpacking them: what they hold, and their manifest. Pure."""
