"""The mirror as JSON that PostgreSQL itself writes: one statement an answer, no record decoded on the way."""
