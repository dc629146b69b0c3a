"""The vendors that we talk to, a folder each."""
