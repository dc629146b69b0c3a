"""Simulated vendors: each a process of its own that speaks as the real one does."""
