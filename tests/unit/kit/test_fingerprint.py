"""Fingerprints of documents: of their bytes, whole, and in their order."""

import json

from hypothesis import given
from hypothesis import strategies as st

from perfectcatch.kit import fingerprint


@given(st.binary(max_size=3000))
def test_a_view_has_the_fingerprint_of_its_bytes(document: bytes) -> None:
    assert fingerprint.of(memoryview(document)) == fingerprint.of(document)
    assert len(fingerprint.of(document)) == fingerprint.SIZE


@given(st.binary(min_size=1, max_size=3000), st.data())
def test_a_document_that_differs_in_one_byte_has_another(document: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(document) - 1))
    other = bytearray(document)
    other[at] ^= data.draw(st.integers(1, 255))
    assert fingerprint.of(bytes(other)) != fingerprint.of(document)


def test_a_hundred_thousand_alike_records_have_as_many() -> None:
    assert len({fingerprint.of(json.dumps({"id": at}).encode()) for at in range(100_000)}) == 100_000


def test_pages_are_told_apart_by_the_order_of_their_records() -> None:
    assert fingerprint.of_all([b"1", b"2"]) != fingerprint.of_all([b"2", b"1"])
    assert fingerprint.of_all(iter([b"1", b"2"])) == fingerprint.of_all([b"1", b"2"])
