"""Addresses of pages: what is written is read again, and what makes no sense is named."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.errors import BadArgument
from perfectcatch.store.browse import Filter, Operator, Place
from perfectcatch.store.browse_catalog import Field, Relation, Shape
from perfectcatch.studio.listing import COLUMNS, Listing, chosen, parse, row_address

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
PLACES = st.one_of(
    st.none(),
    st.builds(Place, key=st.lists(TEXT, min_size=1).map(tuple), value=st.none() | TEXT),
    st.builds(Place, skipped=st.integers(1, 10**15)),
)
LISTINGS = st.builds(
    Listing,
    schema=st.just("s"),
    table=st.just("t"),
    where=st.none() | st.builds(Filter, column=NAME, operator=st.sampled_from(Operator), value=TEXT),
    sort=st.none() | NAME,
    descending=st.booleans(),
    every=st.booleans(),
    after=PLACES,
)


def read(query: str) -> Listing:
    return parse("s", "t", parse_qsl(query, keep_blank_values=True))


@given(LISTINGS)
@settings(deadline=None)  # a busy machine is no fault of an address
def test_an_address_reads_as_what_it_was_written_from(listing: Listing):
    if listing.sort is None:
        listing = replace(listing, descending=False)
    address = urlsplit(listing.address)
    assert address.path == "/table/s/t"
    assert read(address.query) == listing


def test_no_question_is_no_condition():
    assert read("") == Listing(schema="s", table="t")
    assert read("column=&is=%3D&to=x&sort=").where is None


@pytest.mark.parametrize(
    "query", ["is=like", "order=sideways", "skip=-1", "skip=1e3", "skip=²", "skip=" + "9" * 30]
)
def test_what_makes_no_sense_is_named(query: str):
    with pytest.raises(BadArgument, match=r"^.+\.$"):
        read(query)


def test_names_of_tables_cannot_leave_their_place_in_an_address():
    odd = 'a/../b?c#d"<%'
    assert Listing(schema=odd, table=odd).address.count("/") == 3
    assert row_address(odd, odd, ["1", "&id=2"]).endswith("?id=1&id=%26id%3D2")


def test_a_second_click_sorts_downwards():
    once = read("after=5").sorted_by("a")
    assert (once.sort, once.descending, once.after) == ("a", False, None)
    assert once.sorted_by("a").descending
    assert not once.sorted_by("a").sorted_by("a").descending
    assert not once.sorted_by("a").sorted_by("b").descending


# Columns ---------------------------------------------------------------------------------------


def field(name: str, cast: str = "text") -> Field:
    return Field(name=name, type=cast, cast=cast, category="S", comment=None)


def shape(*fields: Field, key: tuple[str, ...] = ()) -> Shape:
    relation = Relation(schema="s", name="t", kind="table", rows=0, size=0, comment=None)
    return Shape(relation=relation, fields=fields, key=key)


WIDE = shape(
    field("document", "jsonb"),
    *(field(f"c{number}") for number in range(20)),
    field("hash", "bytea"),
    field("id", "bigint"),
    key=("id",),
)


def names(fields: list[Field]) -> list[str]:
    return [field.name for field in fields]


def test_a_narrow_table_is_shown_whole():
    narrow = shape(field("document", "jsonb"), field("a"))
    assert names(chosen(narrow, read(""))) == ["document", "a"]


def test_of_a_wide_table_the_key_and_what_reads_well_is_shown():
    assert names(chosen(WIDE, read(""))) == ["id", *(f"c{number}" for number in range(COLUMNS - 1))]


def test_what_is_sorted_or_filtered_by_is_shown():
    shown = names(chosen(WIDE, read("sort=document&column=c19")))
    assert {"id", "document", "c19"} < set(shown)
    assert len(shown) == COLUMNS


def test_all_columns_are_shown_when_asked_for():
    assert names(chosen(WIDE, read("columns=all"))) == names(list(WIDE.fields))
