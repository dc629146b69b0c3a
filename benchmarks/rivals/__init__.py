"""Other ways to get the same records into PostgreSQL, each a script for an environment of its own."""
