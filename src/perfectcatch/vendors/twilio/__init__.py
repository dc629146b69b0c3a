"""Twilio: texts out and in."""
