"""The control surface under ``/_sandbox/``: for tests and demonstrations, no part of the vendor's API.

=====  =============================  =======================================================
GET    /_sandbox/ledger?limit=        the last requests, of those behind ``after=``; with ``ids=true`` ids too
GET    /_sandbox/ledger/summary       peaks a second and a minute, pages asked for again, what struck
GET    /_sandbox/ledger/served/{name} how often each record of a collection was shown
GET    /_sandbox/faults               what goes wrong, and how often it did; with ``?id=`` which records
GET    /_sandbox/stats                counts of requests and records
GET    /_sandbox/records/{name}       every record of a collection, whole (``?id=`` for one)
POST   /_sandbox/edit                 {collection, id, changes}: change fields now
POST   /_sandbox/edits                {edits: [{collection, id, changes}, ...]}: many of them
POST   /_sandbox/add                  {collection, record}: add a record
POST   /_sandbox/delete               {collection, id, hard}: delete as the vendor does, or without a trace
POST   /_sandbox/merge                {collection, from, to}: merge customers or locations
POST   /_sandbox/activity             {changes}: make believable changes now
POST   /_sandbox/revoke               make all access tokens invalid
GET    /_sandbox/clock                the company's time, how fast it goes, whether the company lives
POST   /_sandbox/advance              {by: "3d"} or {seconds}: let so much of the company's time pass
POST   /_sandbox/speed                {factor, skip_quiet}: let it live by itself, so fast; null ends that
GET    /_sandbox/changes?after=        what changed at the vendor, in order, behind a serial; ``limit=``
GET    /_sandbox/webhooks             where webhooks go, and what became of the last ones; ``limit=``
POST   /_sandbox/webhooks             {url, secret, header, encoding, events, drop, ...}; null ends them
POST   /_sandbox/faults               {kind, on, share, every, after, times, seed, ...}: let it go wrong
POST   /_sandbox/faults/clear         {id}: end a fault, or all of them
=====  =============================  =======================================================
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from perfectcatch.errors import BadArgument
from perfectcatch.sandbox.servicetitan import timing
from perfectcatch.sandbox.servicetitan.activity import Activity
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, bad, document
from perfectcatch.sandbox.servicetitan.service import Service

PREFIX = "/_sandbox/"
_TURN = 0.03  # seconds
_SHOWN, _MOST_SHOWN = 1_000, 10_000


class Control:
    """Answers the control surface of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.activity = Activity(service.tenant, service.options.seed)
        self.living = asyncio.Lock()  # one at a time moves the clock

    def answer(self, method: str, path: str, query: str = "", body: bytes = b"") -> Answer:
        """Answer one request."""
        try:
            return self._answer(method, path.removeprefix(PREFIX), query, body)
        except AnswerError as error:
            return error.answer()
        finally:
            self._service.webhooks.flush()

    async def reply(self, method: str, path: str, query: str = "", body: bytes = b"") -> Answer:
        """Answer one request of a running server; during a long advance others have their turn."""
        if (method, path) != ("POST", f"{PREFIX}advance"):
            return self.answer(method, path, query, body)
        try:
            async with self.living:
                advance = timing.Advance(self._service, _facts(body))
                await in_turns(advance)
                return document(advance.report())
        except AnswerError as error:
            return error.answer()

    def _answer(self, method: str, name: str, query: str, body: bytes) -> Answer:
        words = {key: values[0] for key, values in parse_qs(query).items()}
        if method == "GET":
            return self._read(name, words)
        if method != "POST":
            raise AnswerError(405)
        facts = {"url": None} if name == "webhooks" and body.strip() == b"null" else _facts(body)
        write = {
            "edit": self._edit,
            "edits": self._edits,
            "add": self._add,
            "delete": self._delete,
            "merge": self._merge,
            "activity": self._activity,
            "revoke": self._revoke,
            "advance": self._advance,
            "speed": lambda facts: timing.set_speed(self._service, facts),
            "webhooks": self._set_webhooks,
            "faults": self._add_fault,
            "faults/clear": self._clear_faults,
        }.get(name)
        if write is None:
            raise AnswerError(404)
        try:
            return document(write(facts))
        except KeyError as error:
            raise bad(str(error.args[0]), f"The {error.args[0]} field is required.") from None

    def _read(self, name: str, words: dict[str, str]) -> Answer:
        service = self._service
        if name == "ledger" or name.startswith("ledger/"):
            return document(self._ledger(name, words))
        if name == "faults":
            return document(self._faults(words))
        if name == "clock":
            return document(timing.clock(service))
        if name == "changes":
            return document(self._changes(words))
        if name == "webhooks":
            return document(service.webhooks.state(_number(words, "limit", _SHOWN)))
        if name == "stats":
            tables = {key: len(table) for key, table in sorted(service.tenant.tables.items())}
            return document({**service.ledger.stats(), "collections": tables})
        if name.startswith("records/"):
            collection = name.removeprefix("records/")
            if collection not in service.tenant.routes.by_collection:
                raise AnswerError(404, f"There is no collection {collection}.")
            if "id" in words:
                return document(service.tenant.get(collection, words["id"]))
            return document(service.read(collection))
        raise AnswerError(404)

    def _changes(self, words: dict[str, str]) -> Any:
        journal = self._service.tenant.journal
        limit = min(_number(words, "limit", _SHOWN), _MOST_SHOWN)
        changes = journal.after(_number(words, "after", 0), limit)
        return {"first": journal.first, "last": journal.last, "changes": [each.row() for each in changes]}

    def _set_webhooks(self, facts: dict[str, Any]) -> Any:
        webhooks = self._service.webhooks
        try:
            webhooks.set(facts)
        except BadArgument as error:
            raise bad("webhooks", str(error)) from None
        return webhooks.state(0)

    def _ledger(self, name: str, words: dict[str, str]) -> Any:
        ledger, after = self._service.ledger, int(words.get("after", 0))
        if name == "ledger":
            ids = words.get("ids") == "true"
            entries = ledger.last(int(words.get("limit", 1000)), after=after, ids=ids)
            return {"total": ledger.total, "entries": entries}
        if name == "ledger/summary":
            return ledger.summary(after=after)
        collection = name.removeprefix("ledger/served/")
        if collection not in self._service.tenant.routes.by_collection:
            raise AnswerError(404, f"There is no collection {collection}.")
        return ledger.served(collection, after=after)

    def _faults(self, words: dict[str, str]) -> Any:
        active = self._service.faults.active
        if "id" not in words:
            return {"faults": [fault.row() for fault in active]}
        found = next((fault for fault in active if str(fault.number) == words["id"]), None)
        if found is None:
            raise AnswerError(404, f"There is no fault {words['id']}.")
        return {**found.row(), "records": {str(key): what for key, what in found.touched.items()}}

    def _add_fault(self, facts: dict[str, Any]) -> Any:
        return self._service.faults.add(facts).row()

    def _clear_faults(self, facts: dict[str, Any]) -> Any:
        return {"cleared": self._service.faults.clear(facts.get("id"))}

    def _edit(self, facts: dict[str, Any]) -> Any:
        return self._service.tenant.edit(facts["collection"], facts["id"], **facts["changes"])

    def _edits(self, facts: dict[str, Any]) -> Any:
        for each in facts["edits"]:
            self._edit(each)
        return {"edited": len(facts["edits"])}

    def _add(self, facts: dict[str, Any]) -> Any:
        return self._service.tenant.add(facts["collection"], facts["record"])

    def _delete(self, facts: dict[str, Any]) -> Any:
        tenant = self._service.tenant
        if facts.get("hard"):
            tenant.remove(facts["collection"], tenant.row(facts["collection"], facts["id"]).id)
        else:
            tenant.delete(facts["collection"], facts["id"])
        return {"deleted": facts["id"]}

    def _merge(self, facts: dict[str, Any]) -> Any:
        collection = facts.get("collection", "crm.customers")
        if collection not in {"crm.customers", "crm.locations"}:
            raise bad("collection", "Only customers and locations merge.")
        self._service.tenant.merge(collection, facts["from"], facts["to"])
        return self._service.tenant.get(collection, facts["from"])

    def _activity(self, facts: dict[str, Any]) -> Any:
        return {"done": self.activity.make(int(facts.get("changes", 1)))}

    def _revoke(self, _facts: dict[str, Any]) -> Any:
        return {"revoked": self._service.door.revoke()}

    def _advance(self, facts: dict[str, Any]) -> Any:
        advance = timing.Advance(self._service, facts)
        deque(advance, maxlen=0)
        return advance.report()


def _number(words: dict[str, str], name: str, default: int) -> int:
    text = words.get(name, str(default))
    if not text.isdecimal():
        raise bad(name, f"The {name} is a number, 0 or more.")
    return int(text)


def _facts(body: bytes) -> dict[str, Any]:
    try:
        facts = msgspec.json.decode(body) if body.strip() else {}
    except msgspec.DecodeError:
        raise bad("body", "The body is not valid JSON.") from None
    if not isinstance(facts, dict):
        raise bad("body", "The body is not a JSON object.")
    return facts


async def in_turns(work: Iterable[object]) -> None:
    """Exhaust ``work``, letting others have their turn every few hundredths of a second."""
    last = time.monotonic()
    for _ in work:
        if time.monotonic() - last > _TURN:
            await asyncio.sleep(0)
            last = time.monotonic()
