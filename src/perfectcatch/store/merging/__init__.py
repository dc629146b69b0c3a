"""How a page of records becomes rows, history, events, and what is kept of those that do not fit."""
