"""A simulated Anthropic with a made-up model."""
