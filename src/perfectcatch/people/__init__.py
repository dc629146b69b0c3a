"""People: everything that happened between the company and one of its customers."""
