"""PostgreSQL: the only package that knows SQL, rows and cursors."""
