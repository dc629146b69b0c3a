"""Rows of deals: links, marks, what waits, what was refused, copies of what the CRM has."""
