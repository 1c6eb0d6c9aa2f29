"""The client of the event server of SMRT Link: sends events and files, by token or signature."""
