"""A simulated GoHighLevel: a location with contacts, opportunities, pipelines, and people who work there."""
