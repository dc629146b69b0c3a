"""What tells two documents apart without comparing them."""

from collections.abc import Iterable
from typing import Final

from xxhash import xxh3_128, xxh3_128_digest

SIZE: Final = 16  # bytes

Document = bytes | memoryview


def of(document: Document) -> bytes:
    """The fingerprint of one document. It keeps no secret: who may choose a document can choose two alike.

    Of 1.3 kB it takes 0.1 us. BLAKE2b (2.8 us) was a quarter of what a first load cost the client, SHA-256
    with the processor's help 1.5 us.
    """
    return xxh3_128_digest(document)


def of_all(documents: Iterable[Document]) -> bytes:
    """The fingerprint of documents in their order."""
    digest = xxh3_128()
    for each in documents:
        digest.update(each)
    return digest.digest()
