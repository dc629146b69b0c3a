"""Workflows: definitions as data, run durably, one step after the other."""
