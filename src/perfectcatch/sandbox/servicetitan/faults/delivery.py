"""How the bytes of a good answer travel: late, slowly, in part, spoiled."""

from dataclasses import replace

from perfectcatch.sandbox.servicetitan.answers import Answer, Delivery
from perfectcatch.sandbox.servicetitan.faults.instead import HTML, packed
from perfectcatch.sandbox.servicetitan.faults.rule import Strike


def slow(strike: Strike, answer: Answer) -> Answer:
    """The answer comes late: after ``seconds``, and by lot up to ``jitter`` more."""
    wait = strike["seconds"] + strike.fault.random().random() * strike["jitter"]
    return replace(answer, delivery=Delivery(wait=wait))


def drip(strike: Strike, answer: Answer) -> Answer:
    """The answer comes in small pieces, each soon enough to look alive."""
    return replace(answer, delivery=Delivery(piece=strike["piece"], pause=strike["pause"]))


def stalled(strike: Strike, answer: Answer) -> Answer:
    """The answer begins and never ends; the connection stays open."""
    return replace(answer, delivery=Delivery(cut=strike["at"], ends="stall"))


def cut(strike: Strike, answer: Answer) -> Answer:
    """The connection is closed in the middle of an answer whose length was announced, or was not."""
    return replace(answer, delivery=Delivery(cut=strike["at"], announced=strike["announced"]))


def reset(strike: Strike, answer: Answer) -> Answer:
    """The connection is reset: at the first byte, or wherever ``at`` says."""
    return replace(answer, delivery=Delivery(cut=strike["at"], ends="reset"))


def broken_gzip(strike: Strike, answer: Answer) -> Answer:
    """The answer says that it is packed; in its middle there is noise."""
    body = packed(answer.body)
    middle = len(body) // 2
    noise = strike.fault.random().randbytes(64)
    return _packed(answer, body[:middle] + noise + body[middle + len(noise) :])


def cut_gzip(_: Strike, answer: Answer) -> Answer:
    """A packed answer that lacks its end, though as many bytes come as were announced."""
    return _packed(answer, packed(answer.body)[:-12])


def _packed(answer: Answer, body: bytes) -> Answer:
    return replace(answer, body=body, headers={**answer.headers, "Content-Encoding": "gzip"})


def wrong_type(_: Strike, answer: Answer) -> Answer:
    """Good JSON that says it is a page for people."""
    return replace(answer, content_type=HTML)
