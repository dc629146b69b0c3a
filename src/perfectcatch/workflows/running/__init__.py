"""The engine: triggers become instances, instances go through their steps, durably and once."""
