"""The kinds of faults, one row each."""

from typing import Final

from perfectcatch.sandbox.servicetitan.faults import delivery, instead, pages, values, world
from perfectcatch.sandbox.servicetitan.faults.rule import Kind

_ROWS: Final = (
    Kind(
        name="429",
        does="The vendor asks to slow down; retry_after is seconds, date or none.",
        instead=instead.too_many,
        parameters={"seconds": 1.0, "retry_after": "seconds"},
        choices={"retry_after": ("seconds", "date", "none")},
        token=True,
    ),
    Kind(
        name="5xx",
        does="A gateway's error, with any status.",
        instead=instead.server_error,
        parameters={"status": 503, "retry_after": 0},
        token=True,
    ),
    Kind(
        name="html", does="A page for people.", instead=instead.html, parameters={"status": 200}, token=True
    ),
    Kind(name="no-data", does="An empty JSON object.", instead=instead.no_data, token=True),
    Kind(name="forbidden", does="A scope is missing (403).", instead=instead.forbidden),
    Kind(name="maintenance", does="The service rests (409).", instead=instead.maintenance),
    Kind(
        name="redirect",
        does="The answer is said to be elsewhere (302).",
        instead=instead.redirect,
        parameters={"location": "https://elsewhere.example/"},
    ),
    Kind(name="unauthorized", does="401 although token and key are right.", instead=instead.unauthorized),
    Kind(
        name="expired-token", does="Every token ends now; a new one is to be had.", before=world.expire_tokens
    ),
    Kind(
        name="revoked",
        does="The credentials are worth nothing until this fault is cleared.",
        instead=instead.revoked,
        token=True,
    ),
    Kind(
        name="slow",
        does="The answer comes late.",
        change=delivery.slow,
        parameters={"seconds": 5.0, "jitter": 0.0},
        token=True,
    ),
    Kind(
        name="drip",
        does="The answer comes in small pieces with pauses.",
        change=delivery.drip,
        parameters={"piece": 200, "pause": 0.2},
        token=True,
    ),
    Kind(
        name="stalled",
        does="The answer begins and never ends.",
        change=delivery.stalled,
        parameters={"at": 0.5},
        token=True,
    ),
    Kind(
        name="cut",
        does="The connection closes within the answer: after so many bytes, or below 1 a share.",
        change=delivery.cut,
        parameters={"at": 0.5, "announced": True},
        token=True,
    ),
    Kind(
        name="reset",
        does="The connection is reset, before or within the answer.",
        change=delivery.reset,
        parameters={"at": 0.0},
        token=True,
    ),
    Kind(name="content-type", does="Good JSON that says it is HTML.", change=delivery.wrong_type),
    Kind(name="broken-gzip", does="Noise within a packed answer.", change=delivery.broken_gzip),
    Kind(name="cut-gzip", does="A packed answer that lacks its end.", change=delivery.cut_gzip),
    Kind(
        name="gzip-bomb",
        does="A small packed answer that becomes huge.",
        instead=instead.bomb,
        parameters={"bytes": 10_000_000_000},
    ),
    Kind(
        name="large-page",
        does="A page of so many bytes: each record gets the text `padding`.",
        change=pages.large,
        parameters={"bytes": 100_000_000},
    ),
    Kind(
        name="endless",
        does="More is promised for ever; rows is none, or same for the same ones again.",
        change=pages.endless,
        parameters={"rows": "none"},
        choices={"rows": ("none", "same")},
    ),
    Kind(name="same-token", does="More is promised under the same continuation.", change=pages.same_token),
    Kind(
        name="absent",
        does="A share of the records is left out of lists and feeds.",
        change=pages.absent,
        parameters={"rows": 0.4},
    ),
    Kind(
        name="late",
        does="A change becomes visible up to so many seconds late.",
        change=pages.late,
        unseen=pages.not_yet,
        parameters={"seconds": 480.0},
    ),
    Kind(
        name="duplicates",
        does="Records come twice: in a page, and on the next one.",
        change=pages.duplicates,
        parameters={"rows": 0.05, "carried": 3},
    ),
    Kind(
        name="stale",
        does="An older version of a record follows the newer one.",
        change=pages.stale,
        parameters={"rows": 0.05, "seconds": 3600.0, "next_page": False},
    ),
    Kind(
        name="drift",
        does="Records change their form: new-field, other-type, unknown-value, missing-field.",
        change=pages.drift,
        parameters={"rows": 0.01, "what": "any", "field": ""},
        choices={"what": ("any", *values.DRIFTS)},
    ),
    Kind(
        name="awkward",
        does="Records hold values that nobody expects: nul, nan, huge-text, bad-date and more.",
        change=pages.awkward,
        parameters={"rows": 0.01, "what": "any", "field": ""},
        choices={"what": ("any", *values.AWKWARD)},
    ),
    Kind(
        name="equal-times",
        does="Records get one and the same time of modification.",
        before=world.equal_times,
        parameters={"rows": 2000},
    ),
    Kind(
        name="page-shift",
        does="Between two pages records are deleted, inserted and modified.",
        before=world.shift,
        parameters={"delete": 1, "insert": 1, "modify": 1},
    ),
)

KINDS: Final = {kind.name: kind for kind in _ROWS}
