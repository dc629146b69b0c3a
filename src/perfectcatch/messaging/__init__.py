"""Messages to people: one gate that decides, sends at most once, and keeps the reason."""
