"""The server's HTTP parser, less forgiving: what two programs could read in two ways is refused."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 1024


class StrictProtocol(HttpToolsProtocol):
    """Refuses a target that is not a path, and a head that does not end.

    A length together with chunks, two lengths, and spaces in header names are refused by the parser itself.
    """

    _in_head = True
    _head = 0

    def data_received(self, data: bytes) -> None:
        """Take what came, unless a head has become too large with it."""
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head = True, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        super().on_url(url)
        if not self.url.startswith(b"/"):
            raise ValueError("the target is not a path")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()
