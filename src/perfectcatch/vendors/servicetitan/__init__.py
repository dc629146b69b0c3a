"""ServiceTitan: its operations, its records and the one client that talks to it."""
