"""Anthropic: a model that answers in a given shape."""
