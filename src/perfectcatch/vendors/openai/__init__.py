"""OpenAI: the second provider of a model that answers in a given shape."""
