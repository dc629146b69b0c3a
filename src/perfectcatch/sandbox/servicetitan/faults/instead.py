"""Answers in place of the vendor's own."""

import gzip
import zlib
from datetime import timedelta
from email.utils import format_datetime
from functools import cache

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, error_answer
from perfectcatch.sandbox.servicetitan.faults.rule import Strike

HTML = "text/html; charset=utf-8"
_LOGIN = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action='/login' method='post'>"
    b"<label>User name <input name='user'></label></form></body></html>"
)
_BLOCK = 64 * 1024 * 1024


def too_many(strike: Strike) -> Answer:
    """429 with the hint that ``retry_after`` names: seconds, a date, or none."""
    seconds, hint = strike["seconds"], strike["retry_after"]
    error = AnswerError(429)
    if hint == "seconds":
        error.headers["Retry-After"] = str(round(seconds))
    elif hint == "date":
        moment = strike.tenant.clock.now() + timedelta(seconds=seconds)
        error.headers["Retry-After"] = format_datetime(moment, usegmt=True)
    return error.answer()


def server_error(strike: Strike) -> Answer:
    """An error of a gateway, which knows no problem documents."""
    status = strike["status"]
    body = f"<html><body><h1>{status} Server Error</h1></body></html>".encode()
    headers = {"Retry-After": str(strike["retry_after"])} if strike["retry_after"] else {}
    return Answer(status=status, body=body, content_type=HTML, headers=headers)


def html(strike: Strike) -> Answer:
    """A page for people: a login form with 200, a firewall's refusal with 403."""
    return Answer(status=strike["status"], body=_LOGIN, content_type=HTML)


def no_data(_: Strike) -> Answer:
    """An empty object."""
    return document({})


def forbidden(strike: Strike) -> Answer:
    """The app lacks a scope."""
    return error_answer(403, f"The application has no access to {strike.asked.path.split('/')[1]}.")


def maintenance(_: Strike) -> Answer:
    """The service rests."""
    return error_answer(409, "The service is suspended for maintenance.")


def redirect(strike: Strike) -> Answer:
    """The answer is said to be elsewhere."""
    return Answer(status=302, headers={"Location": strike["location"]})


def unauthorized(_: Strike) -> Answer:
    """A 401 although token and key are right."""
    return error_answer(401, "Unauthorized")


def revoked(strike: Strike) -> Answer:
    """The credentials are worth nothing: no token, and the ones that were given end."""
    strike.door.revoke()
    if strike.asked.token:
        return document({"error": "invalid_client"}, 400)
    return error_answer(401, "The access token is missing, wrong or expired.")


def bomb(strike: Strike) -> Answer:
    """A small body that unpacks to ``bytes`` of white space."""
    body = _packed_spaces() * max(1, round(strike["bytes"] / _BLOCK))
    return Answer(body=body, headers={"Content-Encoding": "gzip"})


@cache
def _packed_spaces() -> bytes:
    return gzip.compress(b" " * _BLOCK, compresslevel=9, mtime=0)


def packed(body: bytes) -> bytes:
    """``body`` as gzip sends it."""
    stream = zlib.compressobj(level=1, wbits=31)
    return stream.compress(body) + stream.flush()
