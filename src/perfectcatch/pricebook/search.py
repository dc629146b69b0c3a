"""Search in the price book: an exact code first, then codes that begin so, then words by their weight.

Words are found in PostgreSQL's own text search: in any form (``filters`` finds ``filter``), and by their
beginning. When nothing is found, words that are written wrongly are replaced by the nearest ones in the book.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, LiteralString

from perfectcatch.errors import BadArgument
from perfectcatch.model.entity import Entity
from perfectcatch.pricebook.tree import CATEGORIES, ITEMS
from perfectcatch.store.names import qualified
from perfectcatch.store.reading.fields import BIGGEST
from perfectcatch.store.reading.reads import Reads

MOST_WORDS: Final = 10
ALIKE: Final = 0.7  # how alike a word has to be that takes the place of another

_LANGUAGE: Final[LiteralString] = "english"
_PLACE: Final = re.compile(
    r"(?P<tier>\d)~(?P<rank>[0-9.e+-]{1,20})~(?P<kind>[a-z]{1,20})~(?P<st_id>-?\d{1,19})", re.ASCII
)
_DECIMAL: Final = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,3})?", re.ASCII)

Entities = Mapping[str, Entity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for. ``words`` empty: everything; ``active`` None: switched off or not."""

    kinds: Sequence[str]
    words: str = ""
    category_id: int | None = None  # with the categories below it
    active: bool | None = True
    price_from: Decimal | None = None
    price_before: Decimal | None = None
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A page of entries. ``corrected``: the words that were looked for instead of misspelled ones."""

    items: list[dict[str, Any]]
    next: str | None
    corrected: str | None = None


async def search(reads: Reads, tenant_id: int, entities: Entities, wanted: Wanted) -> Found:
    """A page of what is found. Raises ``BadArgument``."""
    words = _words(wanted.words)
    found = await _search(reads, tenant_id, entities, wanted, _query(words))
    if found.items or not words:
        return found
    corrected = await _corrected(reads, tenant_id, entities, wanted.kinds, words)
    if corrected is None:
        return found
    again = await _search(reads, tenant_id, entities, wanted, _query(corrected))
    return Found(again.items, again.next, " ".join(corrected))


def _words(text: str) -> list[str]:
    if "\x00" in text:
        raise BadArgument("q cannot hold the character NUL.")
    words = re.findall(r"\w+", text)
    if len(words) > MOST_WORDS:
        raise BadArgument(f"q holds {len(words)} words: give at most {MOST_WORDS}.")
    return words


def _query(words: Sequence[str]) -> str:
    """The words as PostgreSQL's text search reads them, each as a beginning; letters and digits only."""
    return " & ".join(f"'{word}':*" for word in words)


async def _search(reads: Reads, tenant_id: int, entities: Entities, wanted: Wanted, query: str) -> Found:
    place = _place(wanted.after)
    values = {
        "tenant": tenant_id,
        "q": wanted.words.strip().lower(),
        "bare": re.sub(r"[\W_]", "", wanted.words.lower()),
        "query": query,
        "category": wanted.category_id,
        "active": wanted.active,
        "price_from": wanted.price_from,
        "price_before": wanted.price_before,
        "limit": wanted.limit + 1,
        **place,
    }
    kinds = "\nunion all\n".join(_entries(kind, entities, looking=bool(values["q"])) for kind in wanted.kinds)
    behind = (
        "where (tier, -rank, kind, st_id) > (%(tier)s::int, -(%(rank)s::real), %(kind)s, %(st_id)s)"
        if place
        else ""
    )
    rows = await reads.rows(
        f"""
with recursive below as (
  select %(category)s::bigint as st_id
  union
  select c.st_id from below b join {qualified(entities[CATEGORIES].table)} c
    on c.tenant_id = %(tenant)s and c.parent_id = b.st_id and c.deleted_at is null
), asked as materialized (select to_tsquery('{_LANGUAGE}', %(query)s) as query),
found as (
{kinds}
)
select *, rank::text as written from found {behind}
order by tier, rank desc, kind, st_id limit %(limit)s""",
        values,
    )
    more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
    last = rows[-1] if rows else {}
    following = f"{last['tier']}~{last['written']}~{last['kind']}~{last['st_id']}" if more else None
    for row in rows:
        row["match"] = _MATCHES[row.pop("tier")] if values["q"] else None
        del row["rank"], row["written"]
    return Found(rows, following)


_MATCHES: Final = ("code", "beginning of the code", "words")


def _place(after: str | None) -> dict[str, Any]:
    if after is None:
        return {}
    found = _PLACE.fullmatch(after)
    if (
        found is None
        or found["kind"] not in ITEMS
        or not _DECIMAL.fullmatch(found["rank"])
        or abs(int(found["st_id"])) > BIGGEST
    ):
        raise BadArgument("after cannot be read: give the `next` of the answer before.")
    return {
        "tier": int(found["tier"]),
        "rank": min(float(found["rank"]), 1e30),
        "kind": found["kind"],
        "st_id": int(found["st_id"]),
    }


def _entries(kind: str, entities: Entities, *, looking: bool) -> str:
    entity = entities[ITEMS[kind]]
    own = {column.name for column in entity.columns}
    more = ", ".join(
        f"m.{name}" if name in own else f"null::text as {name}"
        for name in ("manufacturer", "model", "unit_of_measure", "primary_vendor_name", "primary_vendor_part")
    )
    bare = "regexp_replace(lower(m.code), '[^[:alnum:]]', '', 'g')"
    tier = "2"
    matches = "true"
    if looking:
        tier = f"""case when lower(m.code) = %(q)s or (%(bare)s <> '' and {bare} = %(bare)s) then 0
      when starts_with(lower(m.code), %(q)s) or (%(bare)s <> '' and starts_with({bare}, %(bare)s)) then 1
      else 2 end"""
        matches = f"({tier} < 2 or m.words @@ asked.query)"
    rank = "ts_rank(m.words, asked.query)" if looking else "0::real"
    return f"""
select '{kind}'::text as kind, m.st_id, m.code, m.display_name, m.description, m.price, m.member_price,
  m.add_on_price, m.cost, m.hours, m.taxable, m.active, coalesce(m.category_ids, '{{}}') as category_ids,
  {more}, {tier} as tier, {rank} as rank
from {qualified(entity.table)} m cross join asked
where m.tenant_id = %(tenant)s and m.deleted_at is null
  and (%(active)s::boolean is null or m.active = %(active)s)
  and (%(category)s::bigint is null or m.category_ids && (select array_agg(st_id) from below))
  and (%(price_from)s::numeric is null or m.price >= %(price_from)s)
  and (%(price_before)s::numeric is null or m.price < %(price_before)s)
  and {matches}"""


# Misspelled words --------------------------------------------------------------------------------


async def _corrected(
    reads: Reads, tenant_id: int, entities: Entities, kinds: Sequence[str], words: Sequence[str]
) -> list[str] | None:
    """The words with those that the book does not hold replaced; None if one has nothing like it."""
    known = await _vocabulary(reads, tenant_id, entities, kinds)
    corrected = []
    for word in (each.lower() for each in words):
        if any(each.startswith(word) for each in known):
            corrected.append(word)
            continue
        near = get_close_matches(word, known, n=1, cutoff=ALIKE)
        if not near:
            return None
        corrected.append(near[0])
    return corrected if corrected != [word.lower() for word in words] else None


async def _vocabulary(reads: Reads, tenant_id: int, entities: Entities, kinds: Sequence[str]) -> list[str]:
    """Every word of names, the frequent ones first; a code is no word that somebody misspells."""
    texts = " union all ".join(
        "select lower(display_name) as text"
        f" from {qualified(entities[ITEMS[kind]].table)} where tenant_id = %(tenant)s and deleted_at is null"
        for kind in kinds
    )
    rows = await reads.rows(
        f"""
select word from ({texts}) t, regexp_split_to_table(t.text, '[^[:alnum:]]+') word
where length(word) > 2 group by word order by count(*) desc, word limit 20000""",
        {"tenant": tenant_id},
    )
    return [row["word"] for row in rows]
