"""Outgoing webhooks: which events a hook takes, and how they are sent."""
