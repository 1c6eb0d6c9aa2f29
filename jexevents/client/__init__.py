"""The client of a server of ours: sends events and files, asks, and follows what goes on."""
