"""The live stream: business events and the progress of syncs as server-sent events."""
