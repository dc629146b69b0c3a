"""What can be made to go wrong at the simulated vendor: kinds as rows, faults that strike by seed.

rule       one fault: what kind, on which requests, how often; how often it struck
kinds      the rows: name, sentence, parameters, the function that does it
plan       the faults that are switched on, and their way into a request
instead    answers in place of the vendor's own
pages      what becomes of a page: records left out, repeated, changed
values     values that nobody expects
world      the company changes while it is being read
delivery   how the bytes of an answer travel
"""

from perfectcatch.sandbox.servicetitan.faults.plan import Faults

__all__ = ["Faults"]
