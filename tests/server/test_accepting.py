"""Accepting TLS connections: handshakes, floods, bugs, and the end. On both event loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from authgate.gate import Suspended
from authgate.server.accepting import accepting
from authgate.server.closing import ConnectionCounts
from authgate.server.descriptors import Descriptors
from authgate.server.limits import Limits
from authgate.server.listener import listening
from tests.support.serving import read_answer
from tests.support.tls_listener import CA, CLIENT_CA, FOREIGN, request, resumed_ask, serving_tls
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.peers import Peer

pytestmark = [pytest.mark.both_event_loops, pytest.mark.usefixtures("lanes")]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_work(tls_folder: Path, version: ssl.TLSVersion) -> None:
    context = CA.context()
    context.minimum_version = context.maximum_version = version
    async with serving_tls(tls_folder) as served:
        answer = await served.ask(context)
        assert answer.status == 200
        assert answer.all("X-User-Id") == ["u"]
        assert (await served.ask(context, FOREIGN)).reason == "untrusted_proxy"


async def test_older_versions_are_refused(tls_folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=CA.pem.decode())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving_tls(tls_folder) as served:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect(context)


async def test_a_client_with_another_ca_fails_the_handshake(tls_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving_tls(tls_folder) as served:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(resumed_ask, served.port, CLIENT_CA.context())  # asyncio's client sends no alert
        await until_async(lambda: "the peer does not know the CA of AuthGate's certificate" in caplog.text)
        assert (await served.ask()).status == 200


NOT_TLS = {
    "plain HTTP": request(),
    "a broken record": b"\x16\x03\x01\x00\x05canary",
    "zeros": b"\x00" * 70_000,
    "SSH": b"SSH-2.0-canary\r\n",
}


@pytest.mark.parametrize("sent", NOT_TLS.values(), ids=NOT_TLS)
async def test_a_peer_that_does_not_speak_tls_is_closed_and_logged_once(
    tls_folder: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_tls(tls_folder, limits=Limits(head_seconds=1)) as served:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(sent)
            try:
                reply = await asyncio.wait_for(reader.read(), 20)
            except ConnectionError:
                reply = b""
            writer.close()
            assert b"HTTP" not in reply
        await until_async(lambda: served.tls.failed_handshakes == 3)
        assert (await served.ask()).status == 200
    assert caplog.text.count("a TLS handshake failed") == 1
    assert "canary" not in caplog.text
    if sent == request():
        assert "the peer speaks plain HTTP; write https:// in the proxy's configuration (peer 127.0.0.1)" in caplog.text


async def test_a_silent_peer_is_closed_and_a_port_scan_is_not_logged(
    tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_tls(tls_folder, limits=Limits(head_seconds=0.3)) as served:
        socket.create_connection(("127.0.0.1", served.port)).close()
        await until_async(lambda: served.tls.failed_handshakes == 1)
        assert "handshake" not in caplog.text
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        await until_async(lambda: "it took too long" in caplog.text)


async def test_a_bug_with_one_connection_closes_it_and_the_next_is_served(
    tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bugs = [ZeroDivisionError()]

    def trusts(_: Peer) -> bool:
        if bugs:
            raise bugs.pop()
        return True

    async with (
        serving_tls(tls_folder) as served,
        listening("127.0.0.1:0", served.app.answer, None, trusts, served.tls) as address,
    ):
        other = replace(served, port=int(address.rpartition(":")[2]))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await other.ask()
        assert (await other.ask()).status == 200
    assert caplog.text.count("internal error: ZeroDivisionError") == 1


async def test_an_exception_raised_while_serving_is_not_wrapped(tls_folder: Path) -> None:
    with pytest.raises(OSError, match="the other address is in use"):
        async with serving_tls(tls_folder):
            raise OSError("the other address is in use")


async def test_a_flood_from_many_addresses_cancels_only_its_own_handshakes(
    mutual_tls_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(max_connections=400, max_untrusted_handshakes=40, head_seconds=600)
    known = CA.context(CLIENT_CA.issue(), mutual_tls_folder)
    async with serving_tls(mutual_tls_folder, limits=limits) as served:
        flood = [
            await asyncio.open_connection("127.0.0.1", served.port, local_addr=(f"127.0.1.{number + 1}", 0))
            for number in range(60)
        ]
        endings = [asyncio.ensure_future(ending(one)) for one, _ in flood]
        await asyncio.wait(endings[:20], timeout=20)
        assert [one.done() for one in endings] == [True] * 20 + [False] * 40, "the oldest"
        assert (await served.ask()).status == 200, "trusted by its address"
        answers = await asyncio.gather(*(served.ask(known, "127.0.0.3") for _ in range(20)))
        assert [answer.status for answer in answers] == [200] * 20, "trusted by its certificate, many at once"
        assert 20 < served.tls.failed_handshakes <= 40, "one for each proxy that needed the room"
        for _, one in flood:
            one.close()
        await asyncio.wait(endings, timeout=20)
    assert caplog.text.count("canceled the oldest TLS handshakes") == 1


async def ending(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        assert await reader.read() == b""


async def test_connections_over_the_bound_are_closed_and_the_others_served(tls_folder: Path) -> None:
    async with serving_tls(tls_folder, limits=Limits(max_connections=2)) as served:
        kept = []
        for _ in range(2):
            kept.append(await served.connect())
            assert (await kept[-1].ask()).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect()
        for connection in kept:
            assert (await connection.ask()).status == 200
            connection.close()


async def test_a_peer_that_goes_on_writing_after_431_gets_the_response(tls_folder: Path) -> None:
    async with asyncio.timeout(20):
        async with serving_tls(tls_folder, limits=Limits(linger_seconds=60)) as served:
            connection = await served.connect()
            for piece in [request().removesuffix(b"\r\n") + b"X: ", *[b"x" * 16 * 1024] * 16]:
                connection.writer.write(piece)
                await connection.writer.drain()
                await asyncio.sleep(0.01)
            assert (await read_answer(connection.reader)).status == 431
        assert await connection.is_closed(), "the end does not wait for it"


@pytest.mark.parametrize("bound", [{"linger_seconds": 0.2}, {"linger_seconds": 60, "max_linger_bytes": 0}])
async def test_a_refused_peer_that_stays_connected_is_closed(tls_folder: Path, bound: dict[str, Any]) -> None:
    async with asyncio.timeout(20), serving_tls(tls_folder, limits=Limits(**bound)) as served:
        connection = await served.connect()
        connection.writer.write(request().removesuffix(b"\r\n") + b"X: " + b"x" * 66 * 1024)
        assert (await read_answer(connection.reader)).status == 431
        connection.writer.write(b"x")
        assert await connection.is_closed()


async def test_shutdown_does_not_wait_for_idle_connections_or_handshakes(tls_folder: Path) -> None:
    async with asyncio.timeout(20):
        async with serving_tls(tls_folder) as served:
            idle = await served.connect()
            assert (await idle.ask()).status == 200
            _, silent = await asyncio.open_connection("127.0.0.1", served.port)
            await asyncio.sleep(0.05)
        assert await idle.is_closed()
        silent.close()
        with pytest.raises(ConnectionError):
            await served.connect()


async def test_a_request_in_flight_is_answered_before_shutdown(tls_folder: Path) -> None:
    async with serving_tls(tls_folder) as served:
        connection = await served.connect()
        gate, started = served.app.live.gate, asyncio.Event()
        begin = gate.begin

        async def slowly(suspended: Suspended) -> Any:
            started.set()
            await asyncio.sleep(0.5)
            return begin(suspended.request)

        gate.begin = lambda asked: Suspended(asked, cast("Any", None), cast("Any", None))  # type: ignore[method-assign]
        gate.finish = slowly  # type: ignore[method-assign]
        connection.writer.write(request())
        await started.wait()
    assert (await asyncio.wait_for(read_answer(connection.reader), 20)).status == 200
    connection.close()


async def test_an_address_in_use_is_an_error_before_anything_is_served(tls_folder: Path) -> None:
    async with serving_tls(tls_folder) as served:
        with pytest.raises(OSError, match="in use"):
            async with listening(f"127.0.0.1:{served.port}", served.app.answer, tls=served.tls):
                pass


async def test_the_descriptor_of_a_connection_is_closed_once() -> None:
    """A second close may hit a file or connection that another thread has opened under the same number meanwhile.

    Both loops close the descriptor themselves. uvloop detaches a `socket.socket` from it, and closes any other object.
    """
    closed: list[socket.socket] = []

    class Recording(socket.socket):
        def close(self) -> None:
            if self.fileno() != -1:
                closed.append(self)
            super().close()

    loop, accepted = asyncio.get_running_loop(), []
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        server.settimeout(0)
        patch.setattr("authgate.server.accepting.socket.socket", Recording)

        def admit(connection: socket.socket, _: str) -> None:
            accepted.append(connection)

        with (
            accepting([server], admit, Limits(), ConnectionCounts(), Descriptors()),
            socket.create_connection(server.getsockname()),
        ):
            await until_async(lambda: bool(accepted))
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted[0])
            transport.close()
            await until_async(lambda: accepted[0].fileno() == -1)
            await asyncio.sleep(0)
    assert isinstance(accepted[0], Recording)
    assert closed.count(accepted[0]) == (0 if "uvloop" in type(loop).__module__ else 1)
