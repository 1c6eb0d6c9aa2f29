"""Old logs of HTCondor, read and stored as a monitor and the daemon would have done it."""
