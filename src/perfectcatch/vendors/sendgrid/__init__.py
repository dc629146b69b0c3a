"""SendGrid: email out, and what became of it."""
