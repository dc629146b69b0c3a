"""The dry run: what workflows would have done over days that have passed, by the same decisions as live."""
