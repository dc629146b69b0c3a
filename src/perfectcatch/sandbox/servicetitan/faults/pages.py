"""What becomes of a page on its way: promises that are not kept, records left out, repeated, changed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import msgspec

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer
from perfectcatch.sandbox.servicetitan.exports import write_token
from perfectcatch.sandbox.servicetitan.faults import values
from perfectcatch.sandbox.servicetitan.faults.rule import Strike
from perfectcatch.sandbox.servicetitan.table import Record, Row

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class _Facts(msgspec.Struct):
    id: Any = None
    modifiedOn: str | None = None  # noqa: N815 - the vendor's spelling
    createdOn: str | None = None  # noqa: N815


@dataclass(slots=True)
class Page:
    """A page taken apart: its envelope, and its records as the bytes that they are."""

    envelope: dict[str, Any]
    records: list[bytes]
    answer: Answer

    @classmethod
    def of(cls, answer: Answer) -> Self | None:
        """Take an answer apart; None when it is no page."""
        try:
            envelope = _decode(answer.body, type=dict[str, msgspec.Raw])
            records = _decode(envelope.pop("data"), type=list[msgspec.Raw])
        except (msgspec.MsgspecError, KeyError):
            return None
        if "hasMore" not in envelope:
            return None
        return cls(
            {name: _decode(raw) for name, raw in envelope.items()}, [bytes(raw) for raw in records], answer
        )

    def put_together(self) -> Answer:
        """The page as an answer."""
        head = _encode(self.envelope)[:-1]
        body = b"".join((head, b',"data":[', b",".join(self.records), b"]}"))
        ids = [record_id(record) for record in self.records]
        return replace(self.answer, body=body, records=len(ids), served=ids)


def record_id(record: bytes) -> Any:
    """The id of a record, however broken the rest of it is."""
    try:
        return _decode(record, type=_Facts).id
    except (msgspec.MsgspecError, RecursionError):
        return None


def changes_page(work: Callable[[Strike, Page], None]) -> Callable[[Strike, Answer], Answer]:
    """Make of a function that changes a page one that changes an answer; other answers stay as they are."""

    def change(strike: Strike, answer: Answer) -> Answer:
        page = Page.of(answer)
        if page is None:
            return answer
        work(strike, page)
        return page.put_together()

    change.__doc__ = work.__doc__
    return change


# Promises ------------------------------------------------------------------------------------------


@changes_page
def endless(strike: Strike, page: Page) -> None:
    """More is promised for ever: with nothing, or with the same records under ever new continuations."""
    page.envelope["hasMore"] = True
    if strike["rows"] == "none":
        page.records.clear()
    else:
        strike.fault.kept = strike.fault.kept or list(page.records)
        page.records = list(strike.fault.kept)
    if "continueFrom" in page.envelope:
        path = strike.asked.operation.partition(" ")[2]
        page.envelope["continueFrom"] = write_token(path, (-strike.fault.struck, 0))


@changes_page
def same_token(strike: Strike, page: Page) -> None:
    """More is promised under the continuation that was just used."""
    page.envelope["hasMore"] = True
    if "continueFrom" in page.envelope:
        strike.fault.kept = (
            strike.asked.query.get("from") or strike.fault.kept or page.envelope["continueFrom"]
        )
        page.envelope["continueFrom"] = strike.fault.kept


# Which records -------------------------------------------------------------------------------------


@changes_page
def absent(strike: Strike, page: Page) -> None:
    """A share of the records is left out, always the same ones, and nothing says so."""
    fault, kept = strike.fault, []
    for record in page.records:
        key = record_id(record)
        if fault.chooses(key, strike["rows"]):
            fault.touch(key, "left out")
        else:
            kept.append(record)
    page.records = kept


@changes_page
def late(strike: Strike, page: Page) -> None:
    """A change becomes visible late, by up to ``seconds`` of the sandbox's clock: each by its own delay."""
    shown = []
    for record in page.records:
        facts = _decode(record, type=_Facts)
        text = facts.modifiedOn or facts.createdOn
        if text is None or not _hidden(strike, facts.id, moments.read(text)):
            shown.append(record)
    page.records = shown


def not_yet(strike: Strike, row: Row) -> bool:
    """A feed passes over what is not visible yet: its pages are as full as others."""
    return _hidden(strike, row.id, row.modified)


def _hidden(strike: Strike, key: Any, modified: int) -> bool:
    share = strike.fault.part_of(f"{key}/{modified}")
    visible_at = modified + int(share * strike["seconds"] * moments.SECOND)
    return visible_at > moments.micros(strike.tenant.clock.now())


@changes_page
def duplicates(strike: Strike, page: Page) -> None:
    """A share of the records comes twice in the page, and the end of a page again on the next one."""
    twice = [record for record in page.records if strike.fault.chooses(record_id(record), strike["rows"])]
    carried = strike.fault.kept or []
    strike.fault.kept = page.records[-strike["carried"] :]
    page.records = [*carried, *page.records, *twice]


@changes_page
def stale(strike: Strike, page: Page) -> None:
    """An older version of a record follows the newer one, on the same page or on the next."""
    older = list(_older(strike, page.records))
    if strike["next_page"]:
        older, strike.fault.kept = strike.fault.kept or [], older
    page.records = [*page.records, *older]


def _older(strike: Strike, records: Iterable[bytes]) -> Iterable[bytes]:
    for raw in records:
        record: Record = _decode(raw)
        text = record.get("modifiedOn")
        if text and strike.fault.chooses(record.get("id"), strike["rows"]):
            strike.fault.touch(record.get("id"), "an older version followed")
            before = moments.read(text) - int(strike["seconds"] * moments.SECOND)
            yield _encode({**record, **values.other_text(record), "modifiedOn": moments.write(before)})


# What is in them -----------------------------------------------------------------------------------


@changes_page
def drift(strike: Strike, page: Page) -> None:
    """A share of the records has a field that is new, of another type, of an unknown value, or missing."""
    _spoil(strike, page, values.DRIFTS)


@changes_page
def awkward(strike: Strike, page: Page) -> None:
    """A share of the records has a value that nobody expects."""
    _spoil(strike, page, values.AWKWARD)


def _spoil(strike: Strike, page: Page, ways: dict[str, values.Way]) -> None:
    names = list(ways) if strike["what"] == "any" else [strike["what"]]
    fault = strike.fault
    for at, raw in enumerate(page.records):
        key = record_id(raw)
        if fault.chooses(key, strike["rows"]):
            name = names[int(fault.part_of(f"{key}/what") * len(names))]
            record: Record = _decode(raw)
            page.records[at] = ways[name](record, strike["field"])
            fault.touch(key, name)


@changes_page
def large(strike: Strike, page: Page) -> None:
    """Each record gets a long text, so that the page has ``bytes``."""
    if page.records:
        length = max(0, strike["bytes"] // len(page.records) - len(page.records[0]))
        filling = b',"padding":"' + b"x" * length + b'"}'
        page.records = [record[:-1] + filling for record in page.records]
