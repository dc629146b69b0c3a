"""The HTTP door: health, the mirror as JSON, runs of the sync, and every operation of the vendor."""
