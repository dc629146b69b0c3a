"""Numbered changes of our own tables."""
