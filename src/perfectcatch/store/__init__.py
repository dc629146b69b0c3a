"""What we remember: PostgreSQL, its tables, and every statement that reads or writes them."""
