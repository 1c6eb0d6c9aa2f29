"""The real commands as processes, talked to as a user would."""
