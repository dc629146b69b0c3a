"""The pass-through: every operation of the vendor behind our own keys, checks and budget.

A request goes ``table`` (which operation), the door (who asks), ``bodies`` (what is sent), then ``reads``
(cache, one flight for identical questions) or ``writes`` (audit, idempotency), and leaves as a ``reply``.
"""
