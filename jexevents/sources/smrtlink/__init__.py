"""Events of SMRT Link: documents of its event manager, and of the archives that it uploads."""
