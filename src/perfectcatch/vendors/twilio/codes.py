"""What Twilio's words mean for us: statuses of a message, and error codes that say more than "no"."""

from typing import Final

from perfectcatch.model.messaging import NotCarried, Status

STATUSES: Final = {
    "accepted": Status.SENT,
    "scheduled": Status.SENT,
    "queued": Status.SENT,
    "sending": Status.SENT,
    "sent": Status.SENT,
    "partially_delivered": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "undelivered": Status.FAILED,
    "failed": Status.FAILED,
    "canceled": Status.FAILED,
}

OPTED_OUT: Final = frozenset({"21610"})
# Numbers that get no text today and none tomorrow. 30003 is a telephone that is switched off: not among them.
BAD_NUMBERS: Final = frozenset({"21211", "21214", "21217", "21614", "21635", "30005", "30006"})
# Nothing leaves with this sender until somebody mends it at the vendor.
SENDER_BLOCKED: Final = frozenset(
    {
        "21212",
        "21603",
        "21606",
        "21659",
        "21660",
        "21661",
        "21701",
        "21703",
        "21704",
        "30002",
        "30007",
        "30024",
        "30032",
        "30034",
    }
)
ABOUT_THE_MESSAGE: Final = OPTED_OUT | BAD_NUMBERS | SENDER_BLOCKED  # with whichever status they come
# Refused for now, and certainly not taken: the queue is full (ten hours of texts), or too many at once.
FOR_NOW: Final = frozenset({"14107", "20429", "21611", "30001", "63017"})


def trouble(code: str, sentence: str) -> NotCarried:
    """What a code says about this message and about later ones."""
    return NotCarried(
        code,
        sentence,
        opted_out=code in OPTED_OUT,
        bad_number=code in BAD_NUMBERS,
        sender_blocked=code in SENDER_BLOCKED,
    )
