"""The database that comes with the product: PostgreSQL, started and stopped by us."""
