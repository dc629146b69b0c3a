"""Connections for calls that somebody waits for, against a server that writes its answers byte by byte."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from perfectcatch.errors import VendorTimeout, VendorUnavailable
from perfectcatch.gateway.passing.replies import Reply, deliver
from perfectcatch.kit.http import Http, NotSent, Request, Response

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
