"""The JSON Schemas (draft 2020-12) of everything that comes in and of what goes out."""
