"""Connections of our own, against a server that writes its answers byte by byte."""

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from perfectcatch.errors import VendorTimeout, VendorUnavailable
from perfectcatch.gateway.passing.replies import Reply, deliver
from perfectcatch.kit import wires
from perfectcatch.kit.http import Http, NotSent, Request, Response
from perfectcatch.kit.wire import Answer, Line

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WHOLE = 1_000_000


async def nobody() -> dict[str, str]:
    return {"type": "http.disconnect"}


class Peer:
    """Answers each request with what ``answers`` says next, the last one again and again."""

    def __init__(self, *answers: bytes, closes: bool = False, piece: int = 0) -> None:
        self.answers = list(answers)
        self.closes = closes
        self.piece = piece
        self.connections = 0
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                step = self.piece or len(answer) or 1
                for at in range(0, len(answer), step):
                    writer.write(answer[at : at + step])
                    await writer.drain()
                    if self.piece:
                        await asyncio.sleep(0)
                if self.closes:
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def running(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    kind = "http" if tls is None else "https"
    peer.url = f"{kind}://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=c"
    try:
        yield peer
    finally:
        server.close()
        await server.wait_closed()


async def get(http: Http, peer: Peer, *, whole: int = WHOLE) -> Response:
    return await http.send(Request(method="GET", url=peer.url, whole_bytes=whole))


@pytest.mark.parametrize(
    ("answer", "closes", "body"),
    [
        (OK, False, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nLate: 1\r\n\r\n",
         False, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, b"until the end"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, False, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", [0, 1])
async def test_every_form_of_an_answer_comes_whole(
    answer: bytes, closes: bool, body: bytes, piece: int
) -> None:
    async with running(Peer(answer, closes=closes, piece=piece)) as peer, Http() as http:
        for _ in range(3):
            response = await get(http, peer)
            assert (response.body, response.rest, "late" in response.headers) == (body, None, False)
    assert peer.connections == (3 if closes else 1)  # one is kept where it may be
    assert peer.heads[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "broke off its answer before the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "broke off its answer before"),
        (b"", "broke"),
        (b"HTTP/1.1 200 OK\r\nX: ", "broke"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "gave an answer that is no HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "switched to"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "sent a head that does not end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", "is no HTTP"),
    ],
)
async def test_half_an_answer_is_none(answer: bytes, sentence: str) -> None:
    async with running(Peer(answer, closes=True)) as peer, Http() as http:
        with pytest.raises(VendorUnavailable, match=sentence) as caught:
            await get(http, peer)
    assert not isinstance(caught.value, NotSent)


@pytest.mark.parametrize(
    "first",
    [
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",  # an answer that nobody asked for
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_is_not_clean_is_not_used_again(first: bytes) -> None:
    async with running(Peer(first, OK)) as peer, Http() as http:
        assert [(await get(http, peer)).body for _ in range(2)] == [b"ok", b"ok"]
    assert peer.connections == 2


async def test_what_was_given_up_answers_nobody_else() -> None:
    never, asked = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"slow" in head:
                asked.set()
                await never.wait()
            writer.write(OK)
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Http(connections=1) as http:
        slow = asyncio.create_task(http.send(Request(method="GET", url=f"{url}/slow", whole_bytes=WHOLE)))
        await asked.wait()
        waiting = asyncio.create_task(http.send(Request(method="GET", url=f"{url}/x", whole_bytes=WHOLE)))
        await asyncio.sleep(0)
        slow.cancel()
        assert (await waiting).body == b"ok"  # its turn came with the other's end
        never.set()


async def test_a_rest_waits_for_its_reader() -> None:
    size = 64 * 1024 * 1024
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    async with running(Peer(answer, OK, piece=1024 * 1024)) as peer, Http(connections=1) as http:
        response = await get(http, peer, whole=1024)
        assert response.rest is not None
        assert len(response.body) < size // 8  # the rest is still at the other end
        assert len(response.body) + sum([len(each) async for each in response.rest]) == size
        assert (await get(http, peer)).body == b"ok"
        assert peer.connections == 1

        peer.answers = [answer, OK]
        response = await get(http, peer, whole=1024)
        assert response.rest is not None
        await response.rest.aclose()
        assert (await get(http, peer)).body == b"ok"
        assert peer.connections == 2


async def test_what_must_not_be_sent_twice_leaves_on_no_kept_connection() -> None:
    async with running(Peer(OK)) as peer, Http() as http:
        for _ in range(2):
            await get(http, peer)
            request = Request(method="POST", url=peer.url, body=b"{}", whole_bytes=WHOLE, alone=True)
            assert (await http.send(request)).body == b"ok"
    assert peer.connections == 3


async def test_a_rest_that_nobody_reads_gives_its_connection_back() -> None:
    size = 64 * 1024 * 1024
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    async with running(Peer(answer, answer, OK, piece=1024 * 1024)) as peer, Http(connections=1) as http:
        response = await get(http, peer, whole=1024)
        assert response.rest is not None

        async def gone(message: object) -> None:
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await deliver(Reply(200, (), response.body, response.rest), nobody, gone)

        forgotten = await get(http, peer, whole=1024)
        assert forgotten.rest is not None
        del forgotten
        gc.collect()
        async with asyncio.timeout(30):
            assert (await get(http, peer)).body == b"ok"
    assert peer.connections == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda url: Request(method="GET", url=url, headers={"A": "b\r\nC: d"}, whole_bytes=WHOLE),
        lambda url: Request(method="GET", url=f"{url} HTTP/1.1", whole_bytes=WHOLE),
        lambda url: Request(method="GET\nX", url=url, whole_bytes=WHOLE),
    ],
)
async def test_a_head_is_what_was_meant(change: Callable[[str], Request]) -> None:
    async with running(Peer(OK)) as peer, Http() as http:
        with pytest.raises(VendorUnavailable, match="request"):
            await http.send(change(peer.url))
    assert not peer.heads


async def test_a_certificate_is_looked_at(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = tmp_path / "own.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    async with running(Peer(OK), tls) as peer, Http() as http:
        with pytest.raises(NotSent, match=r"127\.0\.0\.1:\d+ gave no certificate that this machine trusts"):
            await get(http, peer)
    assert not peer.heads


async def test_each_call_has_its_own_deadline_on_connections_that_are_kept() -> None:
    peer = Peer(OK, OK, b"")

    async def silence(http: Http, seconds: float) -> None:
        with pytest.raises(VendorTimeout):
            await http.send(Request(method="GET", url=peer.url, whole_bytes=WHOLE, total_seconds=seconds))

    async with running(peer), Http() as http:
        assert {each.body for each in await asyncio.gather(get(http, peer), get(http, peer))} == {b"ok"}
        assert peer.connections == 2
        longer = asyncio.create_task(silence(http, 0.4))
        await silence(http, 0.05)
        assert not longer.done()
        await silence(http, 0.05)  # on a new connection: a late answer breaks its own
        await longer
    assert peer.connections == 3


def alive(*kinds: type) -> int:
    return sum(isinstance(each, kinds) for each in gc.get_objects())


LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("answer", [LAST, LAST[:-1]], ids=["good", "broken off"])
async def test_a_connection_that_is_gone_takes_its_memory_along(answer: bytes) -> None:
    """Each would wait with its buffers for a collector that looks rarely."""
    gc.collect()
    gc.disable()
    try:
        before = alive(Line, Answer)
        async with Http() as http, running(Peer(answer, closes=True)) as peer:
            for _ in range(20):
                with suppress(VendorUnavailable):
                    await http.send(Request(method="GET", url=peer.url))
            await asyncio.sleep(0)
            assert peer.connections == 20
        assert alive(Line, Answer) - before <= 4
    finally:
        gc.enable()


async def test_who_reads_a_rest_slowly_takes_no_place_of_others() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    async with Http(connections=1) as http, running(Peer(large, OK)) as peer:
        slow = await get(http, peer, whole=1)
        assert slow.rest is not None
        assert (await http.send(Request(method="GET", url=peer.url, total_seconds=5))).body == b"ok"
        with pytest.raises(NotSent, match="was free in time"):
            await http.send(Request(method="GET", url=peer.url, whole_bytes=1, total_seconds=0.05))
        await slow.rest.aclose()


async def test_after_the_end_nothing_is_sent() -> None:
    """Neither by who waits for a turn nor by who is connecting."""
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    http = Http(connections=1)
    async with running(Peer(large, OK)) as peer:
        async with http:
            held = await get(http, peer, whole=1)
            late = asyncio.create_task(get(http, peer))
            new = asyncio.create_task(http.send(Request(method="POST", url=peer.url)))
            await asyncio.sleep(0)
        for task in (late, new):
            with pytest.raises(NotSent, match="the client was closed"):
                await task
        assert len(peer.heads) == 1
        async with http:  # opened again, it has its deadlines
            assert (await http.send(Request(method="GET", url=peer.url))).body == b"ok"
    assert held.rest is not None


async def test_a_connection_that_was_kept_too_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Http() as http, running(Peer(OK)) as peer:
        await get(http, peer)
        await get(http, peer)
        monkeypatch.setattr(wires, "IDLE_SECONDS", 0.0)
        await get(http, peer)
    assert peer.connections == 2


async def test_a_vendor_that_is_slow_to_speak_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next address is tried when one does not answer, not when its handshake takes a while."""
    monkeypatch.setattr(wires, "NEXT_ADDRESS_SECONDS", 0.05)
    monkeypatch.setattr(wires, "_addresses", AsyncMock(return_value=["127.0.0.1"] * 3))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/"
        async with Http() as http:
            with pytest.raises(NotSent, match="cannot connect"):
                await http.send(Request(method="GET", url=url, total_seconds=0.5))
        mute.setblocking(False)
        reached, _ = mute.accept()
        reached.close()
        with pytest.raises(BlockingIOError):
            mute.accept()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
    ],
)
async def test_what_a_machine_between_writes_is_understood(answer: bytes) -> None:
    async with Http() as http, running(Peer(answer, closes=True)) as peer:
        assert (await get(http, peer)).body == b"ok"


async def test_a_status_that_is_none_is_no_http() -> None:
    async with Http() as http, running(Peer(b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n")) as peer:
        with pytest.raises(VendorUnavailable, match="no HTTP"):
            await http.send(Request(method="GET", url=peer.url, total_seconds=5))


async def test_every_call_says_what_it_accepts() -> None:
    async with Http() as http, running(Peer(OK)) as peer:
        await get(http, peer)
        await http.send(Request(method="GET", url=peer.url, headers={"Accept": "text/csv"}))
        await http.send(Request(method="GET", url=peer.url, alone=True))
    assert [head.lower().count(b"accept: */*") for head in peer.heads] == [1, 0, 1]


async def test_an_answer_that_is_no_http_does_not_tell_the_address() -> None:
    async with Http() as http, running(Peer(b"what\r\n\r\n")) as peer:
        for alone in (True, False):
            with pytest.raises(VendorUnavailable, match="no HTTP") as caught:
                await http.send(Request(method="GET", url=f"{peer.url}&sig=canary", alone=alone))
            assert "canary" not in str(caught.value)


async def test_headers_are_passed_on_as_they_came() -> None:
    named = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Name: Zoë\r\n\r\n".encode()
    async with Http() as http, running(Peer(named)) as peer:
        for alone in (True, False):
            found = await http.send(Request(method="GET", url=peer.url, alone=alone))
            assert found.headers["x-name"].encode("latin-1") == "Zoë".encode()
