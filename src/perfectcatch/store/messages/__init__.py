"""Messages to people as rows: each one, and what the decisions about them go by."""
