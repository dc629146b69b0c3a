"""Perfect Catch: an exact copy of a contractor's field-service data, and what should happen next."""

__version__ = "0.1.0"
