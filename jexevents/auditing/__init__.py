"""What is incomplete in the ledger of HTCondor's jobs."""
