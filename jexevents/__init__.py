"""The ledger of jobs: every event of every job goes once and only once into PostgreSQL."""

__version__ = "0.1.0"
