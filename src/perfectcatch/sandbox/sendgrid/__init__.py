"""A simulated SendGrid: mail send, and the signed event webhook."""
