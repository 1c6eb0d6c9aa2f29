"""Files that SMRT Link systems upload: looked into, kept in a folder by date, told as events."""
