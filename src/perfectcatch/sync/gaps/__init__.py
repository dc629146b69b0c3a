"""Proof: the mirror is compared with the vendor, each difference is explained, and mended on request."""
