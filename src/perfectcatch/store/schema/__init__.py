"""The shape of the database: declared, created, grown, compared."""
