"""Webhooks: what changes is told to somebody's address, signed, again when it is not acknowledged.

``events`` names what happened, ``subscription`` what is wanted, ``delivery`` brings it there.
"""
