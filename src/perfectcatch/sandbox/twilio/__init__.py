"""A simulated Twilio: its Messages resource, its webhooks, and people who answer."""
