"""What a log of HTCondor is: events with their occurrence, file identity, rotation."""
