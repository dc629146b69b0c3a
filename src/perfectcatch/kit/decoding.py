"""Bodies of answers, decoded as they come and in bounded pieces."""

import zlib
from collections.abc import Iterator
from typing import Final

PIECE_BYTES: Final = 1024 * 1024


class Unreadable(Exception):
    """What is wrong with an answer, as the end of a sentence that begins with the host."""


class Plain:
    """A body that comes as it is."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take what came."""
        yield chunk

    def finish(self) -> None:
        """Any end is a good one: the length was checked by whoever read it."""


class Gunzip(Plain):
    """Decompresses a body as it comes, in bounded pieces: a bomb costs at most the limit."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._fed = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress what came."""
        self._fed = True
        while chunk:
            if self._stream.eof:  # gzip allows several members in a row
                self._stream = zlib.decompressobj(wbits=31)
            if piece := self._stream.decompress(chunk, PIECE_BYTES):
                yield piece
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        # Output may still be inside the stream when the last piece was exactly full.
        while not self._stream.eof and (piece := self._stream.decompress(b"", PIECE_BYTES)):
            yield piece

    def finish(self) -> None:
        """Raise Unreadable where the body ended too early."""
        if self._fed and not self._stream.eof:
            raise Unreadable("broke off its compressed answer")
