"""TLS and mutual TLS on the auth listener: who is believed, rotation, floods. On both event loops."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from authgate.config.load import load
from authgate.server.accepting import _Acceptor
from authgate.server.limits import Limits
from authgate.server.listener import listening
from authgate.server.tls import TlsFiles, WatchedTls
from authgate.wiring import build, prepare
from tests.server.conftest import ENVIRON
from tests.support.certificates import SERVER_NAME, Authority, Pair
from tests.support.serving import Answer, bearer_line, described, head, read_answer
from tests.support.tokens import mint
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from authgate.app import App

pytestmark = pytest.mark.both_event_loops

CA = Authority()
CLIENT_CA = Authority("clients")
TOKEN = bearer_line(mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000}))
FOREIGN = "127.0.0.2"  # an address outside of trusted_proxies


def request(*lines: tuple[str, str]) -> bytes:
    return head("/auth/nginx", [("Host", "authgate"), *described("nginx"), TOKEN, *lines])


@dataclass(frozen=True)
class Served:
    app: App
    port: int
    folder: Path

    async def connect(self, context: ssl.SSLContext | None = None, local: str = "127.0.0.1") -> Connection:
        return Connection(
            *await asyncio.open_connection(
                "127.0.0.1",
                self.port,
                ssl=context or CA.context(),
                server_hostname=SERVER_NAME,
                local_addr=(local, 0),
            )
        )

    async def ask(self, context: ssl.SSLContext | None = None, local: str = "127.0.0.1") -> Answer:
        connection = await self.connect(context, local)
        try:
            return await connection.ask()
        finally:
            connection.close()

    async def serial(self) -> int:
        connection = await self.connect()
        connection.close()
        return connection.serial

    @property
    def tls(self) -> Any:
        assert self.app.tls
        return self.app.tls


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.serial = int(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"], 16)

    async def ask(self) -> Answer:
        self.writer.write(request())
        return await asyncio.wait_for(read_answer(self.reader), 20)

    async def is_closed(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1), 20) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


class Clock:
    """The time of day, or the one that it is set to."""

    now: float | None = None

    def __call__(self) -> float:
        return time.time() if self.now is None else self.now


@asynccontextmanager
async def serving(
    folder: Path, *, limits: Limits | None = None, watch: dict[str, Any] | None = None, **environ: str
) -> AsyncIterator[Served]:
    """Serve over TLS with the certificate in *folder*; with ca.crt in it, mutually. *watch* is for `WatchedTls`."""
    settings = {
        "AUTHGATE_TRUSTED_PROXIES": "127.0.0.1",
        "AUTHGATE_TLS__CERTIFICATE_FILE": f"{folder}/tls.crt",
        "AUTHGATE_TLS__KEY_FILE": f"{folder}/tls.key",
        **({"AUTHGATE_TLS__CLIENT_CA_FILE": f"{folder}/ca.crt"} if (folder / "ca.crt").exists() else {}),
    }
    verified = prepare(load(None, ENVIRON | settings | environ))
    app = build(verified)
    if watch is not None:
        app = replace(app, tls=WatchedTls(*verified.certificates["tls"], **watch))
    async with listening("127.0.0.1:0", app.answer, limits, app.trusts, app.tls) as address:
        yield Served(app, int(address.rpartition(":")[2]), folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with AuthGate's certificate."""
    return CA.server().write(tmp_path / "tls")


@pytest.fixture
def mutual(folder: Path) -> Path:
    """A folder with AuthGate's certificate and the clients' CA."""
    (folder / "ca.crt").write_bytes(CLIENT_CA.pem)
    return folder


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_are_spoken(folder: Path, version: ssl.TLSVersion) -> None:
    context = CA.context()
    context.minimum_version = context.maximum_version = version
    async with serving(folder) as served:
        answer = await served.ask(context)
        assert answer.status == 200
        assert answer.all("X-User-Id") == ["u"]
        assert (await served.ask(context, FOREIGN)).reason == "untrusted_proxy"


async def test_nothing_older_is_spoken(folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=CA.pem.decode())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(folder) as served:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect(context)


async def test_a_client_that_knows_another_ca_does_not_talk(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(folder) as served:
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
async def test_what_is_not_tls_is_ended_and_told_once(
    folder: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(folder, limits=Limits(head_seconds=1)) as served:
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


async def test_a_peer_that_says_nothing_is_not_kept_and_a_look_at_the_port_is_not_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(folder, limits=Limits(head_seconds=0.3)) as served:
        socket.create_connection(("127.0.0.1", served.port)).close()
        await until_async(lambda: served.tls.failed_handshakes == 1)
        assert "handshake" not in caplog.text
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        await until_async(lambda: "it took too long" in caplog.text)


# Rotation


def in_place(folder: Path, pair: Pair) -> None:
    pair.write(folder)


def renamed(folder: Path, pair: Pair) -> None:
    made = pair.write(folder.parent / "new")
    for name in ("tls.crt", "tls.key"):
        (made / name).rename(folder / name)


def through_a_link(folder: Path, pair: Pair) -> None:
    """As the kubelet does: ..data points at a folder of its own, and is replaced."""
    data = pair.write(folder / f"..{pair.serial}")
    (folder / "..new").symlink_to(data.name)
    (folder / "..new").rename(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).unlink()
            (folder / name).symlink_to(f"..data/{name}")


@pytest.mark.parametrize("write", [in_place, renamed, through_a_link])
async def test_a_new_certificate_is_shown_and_no_request_fails(
    folder: Path, write: Callable[[Path, Pair], None]
) -> None:
    if write is through_a_link:
        write(folder, CA.server())
    new = CA.server()
    async with serving(folder) as served:
        kept = await served.connect()
        assert (await kept.ask()).status == 200
        write(folder, new)
        async with asyncio.timeout(20):
            while await served.serial() != new.serial:
                assert (await kept.ask()).status == 200
                assert (await served.ask()).status == 200
                await asyncio.sleep(0.02)
        assert (await kept.ask()).status == 200, "the established connection goes on"
        kept.close()
        assert f"{new.serial:x}" == served.tls.current.serial


async def test_a_half_written_pair_keeps_the_old_one_and_is_told_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = CA.server()
    async with serving(folder) as served:
        old = await served.serial()
        (folder / "tls.crt").write_bytes(new.certificate)
        await until_async(lambda: served.tls.failure)
        assert served.app.metrics.exposition().count(b'authgate_tls_last_reload_successful{listener="auth"} 0.0') == 1
        for _ in range(3):
            await served.tls.poll()
        assert await served.serial() == old
        assert caplog.text.count("the private key does not belong to the certificate") == 1
        (folder / "tls.key").write_bytes(new.key)
        await until_async(lambda: served.tls.current.serial == f"{new.serial:x}")
        assert await served.serial() == new.serial
        metrics = served.app.metrics.exposition().decode()
    assert 'authgate_tls_last_reload_successful{listener="auth"} 1.0' in metrics
    (line,) = [line for line in metrics.splitlines() if line.startswith("authgate_tls_certificate_expiry_timestamp_s")]
    assert float(line.split()[-1]) == served.tls.current.expires_at


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it holds no certificate"),
        (b"x" * 70_000, "it is longer than 65536 bytes"),
        (CA.server(days=(-3, -1)).certificate, "the certificate expired on"),
        (CA.server(days=(1, 3)).certificate, "the certificate is not valid before"),
    ],
    ids=["empty", "long", "expired", "not yet valid"],
)
async def test_an_unusable_certificate_changes_nothing(folder: Path, content: bytes, said: str) -> None:
    async with serving(folder) as served:
        old = await served.serial()
        (folder / "tls.crt").write_bytes(content)
        await served.tls.poll()
        assert said in served.tls.failure
        assert await served.serial() == old
        (folder / "tls.crt").unlink()
        await served.tls.poll()
        assert "No such file" in served.tls.failure
        assert await served.serial() == old


async def test_a_pipe_in_place_of_a_file_is_not_waited_for_and_a_file_heals_it(folder: Path) -> None:
    async with serving(folder) as served:
        certificate = (folder / "tls.crt").read_bytes()
        (folder / "tls.crt").unlink()
        os.mkfifo(folder / "tls.crt")  # opening it plainly would wait for a writer, for ever
        await served.tls.poll()
        assert "it is not a regular file" in served.tls.failure
        assert (await served.ask()).status == 200
        (folder / "tls.crt").unlink()
        (folder / "tls.crt").write_bytes(certificate)
        await served.tls.poll()
        assert served.tls.failure == ""


class HangingFiles(TlsFiles):
    """Files on a network file system that answers no more."""

    released: ClassVar[threading.Event]

    def digest(self) -> bytes:
        self.released.wait(30)
        return b""


async def test_a_file_that_hangs_holds_up_no_request(folder: Path) -> None:
    async with serving(folder) as served:
        files = HangingFiles(setting="tls", certificate_file="", key_file="")
        HangingFiles.released = threading.Event()
        watched = WatchedTls(files, served.tls.current, timeout_seconds=0.1)
        try:
            await watched.poll()
            assert "takes longer" in watched.failure
            assert (await served.ask()).status == 200
        finally:
            HangingFiles.released.set()


async def test_a_certificate_about_to_expire_is_told_at_start_and_at_a_change(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    CA.server(days=(-1, 6)).write(folder)
    async with serving(folder) as served:
        assert "expires on" not in caplog.text, "at start the caller tells"
        CA.server(days=(-1, 5)).write(folder)
        for _ in range(3):
            await served.tls.poll()
    assert caplog.text.count("tls.certificate_file: the certificate expires on") == 1
    assert "in 5.0 days: renew it" in caplog.text


async def test_each_stage_of_expiry_is_told_once_for_each_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    CA.server(days=(-1, 20)).write(folder)
    (folder / "ca.crt").write_bytes(CLIENT_CA.pem)
    clock = Clock()
    async with serving(folder, watch={"clock": clock}) as served:
        state = served.tls.current
        for now, told in (
            (state.expires_at - 8 * 86400, []),
            (state.expires_at - 86400, ["tls.certificate_file: the certificate expires on"]),
            (state.expires_at + 1, ["tls.certificate_file: the certificate expired on"]),
            (state.authorities_expire_at - 86400, ["tls.client_ca_file: a CA expires on"]),
            (state.authorities_expire_at + 1, ["tls.client_ca_file: a CA expired on"]),
        ):
            caplog.clear()
            clock.now = now
            for _ in range(3):
                await served.tls.poll()
            lines = [record.getMessage() for record in caplog.records]
            assert [line[: len(start)] for line, start in zip(lines, told, strict=True)] == told


async def test_a_bug_in_reading_is_told_once_until_it_is_another_and_changes_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(folder) as served:
        load, bug = served.tls._files.load, ZeroDivisionError
        old = await served.serial()

        def broken() -> Any:
            raise bug(TOKEN[1])

        served.tls._files = Planted(served.tls._files, broken)
        CA.server().write(folder)
        for kind in (ZeroDivisionError, KeyError):
            bug = kind
            for _ in range(3):
                await served.tls.poll()
            assert caplog.text.count(f"internal error: {kind.__name__}") == 1
        assert await served.serial() == old
        served.tls._files = Planted(served.tls._files, load)
        await served.tls.poll()
        assert served.tls.failure == ""
    assert TOKEN[1] not in caplog.text


class Planted:
    """The files of *files*, loaded by *load*."""

    def __init__(self, files: Any, load: Callable[[], Any]) -> None:
        self._files = files
        self.load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


async def test_a_bug_in_the_watch_ends_neither_the_watch_nor_the_listening(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authgate.server.accepting.POLL_SECONDS", 0.05)
    async with serving(folder) as served:
        new, polls = CA.server(), 0
        poll = served.tls.poll

        async def broken() -> None:
            nonlocal polls
            polls += 1
            raise ZeroDivisionError("canary")

        served.tls.poll = broken
        await until_async(lambda: polls >= 3)
        assert caplog.text.count("internal error: ZeroDivisionError") == 1
        assert (await served.ask()).status == 200
        served.tls.poll = poll
        new.write(folder)
        await until_async(lambda: served.tls.current.serial == f"{new.serial:x}")


async def test_a_bug_that_ends_the_accepting_ends_what_serves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(acceptor: _Acceptor) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(_Acceptor, "_poll_files", broken)
    with pytest.raises(ExceptionGroup) as ended:
        async with serving(folder):
            await asyncio.sleep(20)
    assert ended.group_contains(ZeroDivisionError)


async def test_what_is_raised_while_serving_comes_out_as_it_is(folder: Path) -> None:
    with pytest.raises(OSError, match="the other address is in use"):
        async with serving(folder):
            raise OSError("the other address is in use")


# Mutual TLS


async def test_a_client_certificate_makes_a_peer_trusted_wherever_it_is(mutual: Path) -> None:
    known = CA.context(CLIENT_CA.issue("traefik.internal"), mutual)
    async with serving(mutual) as served:
        assert (await served.ask(known, FOREIGN)).status == 200
        assert (await served.ask(local=FOREIGN)).reason == "untrusted_proxy"
        assert (await served.ask()).status == 200, "by its address"


async def test_without_trusted_proxies_only_certificates_count(mutual: Path) -> None:
    known = CA.context(CLIENT_CA.issue(), mutual)
    async with serving(mutual, AUTHGATE_TRUSTED_PROXIES="[]") as served:
        assert (await served.ask(known)).status == 200
        assert (await served.ask()).reason == "untrusted_proxy"


REFUSED = {
    "foreign CA": (CA.issue("traefik.internal"), "self-signed certificate in certificate chain"),
    "same name, other CA": (Authority("clients").issue("traefik.internal"), "unable to get local issuer certificate"),
    "expired": (CLIENT_CA.issue("traefik.internal", days=(-3, -1)), "certificate has expired"),
    "not yet valid": (CLIENT_CA.issue("traefik.internal", days=(1, 3)), "certificate is not yet valid"),
    "a server's": (CLIENT_CA.issue("traefik.internal", uses=("server",)), "unsuitable certificate purpose"),
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("pair", "said"), REFUSED.values(), ids=REFUSED)
async def test_another_certificate_ends_the_handshake(
    mutual: Path, pair: Pair, said: str, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    context = CA.context(pair, mutual)
    context.minimum_version = context.maximum_version = version
    async with serving(mutual) as served:
        for local in (FOREIGN, "127.0.0.1"):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await served.ask(context, local)
        await until_async(lambda: f"the peer's certificate was rejected: {said}" in caplog.text)


async def test_the_systems_own_cas_are_not_believed(mutual: Path) -> None:
    async with serving(mutual) as served:
        assert len(served.tls.current.context.get_ca_certs()) == 1


NAMES = {
    "listed": (("traefik.internal",), 200),
    "another case": (("TRAEFIK.internal",), 200),
    "one of several": (("a.internal", "spiffe://cluster/ns/proxy/sa/traefik"), 200),
    "not listed": (("tasks.internal",), 403),
    "none": ((), 403),
    "an address": (("127.0.0.2",), 403),
    "a URI in another case": (("spiffe://cluster/ns/PROXY/sa/traefik",), 403),
    "a wildcard": (("*.internal",), 403),
    "a longer one": (("traefik.internal.evil.example",), 403),
}


@pytest.mark.parametrize(("names", "status"), NAMES.values(), ids=NAMES)
async def test_the_name_must_be_listed_or_the_address_counts(
    mutual: Path, names: tuple[str, ...], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    context = CA.context(CLIENT_CA.issue(*names), mutual)
    listed = "Traefik.internal, spiffe://cluster/ns/proxy/sa/traefik"
    async with serving(mutual, AUTHGATE_TLS__CLIENT_NAMES=listed) as served:
        assert (await served.ask(context, FOREIGN)).status == status
        assert (await served.ask(context)).status == 200, "by its address"
    told = [getattr(record, "fields", {}).get("fix") for record in caplog.records if record.getMessage() == "deny"]
    expected = f"if {FOREIGN} is your reverse proxy, add a name of its certificate to tls.client_names"
    assert told == ([expected] if status == 403 else [])


async def test_a_certificate_that_expires_counts_no_more_on_its_connection(mutual: Path) -> None:
    known = CA.context(CLIENT_CA.issue(), mutual)
    clock = Clock()
    async with serving(mutual, watch={"clock": clock}) as served:
        connection, closed = await served.connect(known, FOREIGN), await served.connect(known, FOREIGN)
        assert (await connection.ask()).status == 200
        assert (await closed.ask()).status == 200
        clock.now = 5_000_000_000.0
        assert (await connection.ask()).reason == "untrusted_proxy", "judged at every request"
        assert await closed.is_closed()


async def test_a_withdrawn_ca_closes_the_connections_of_its_certificates_and_no_others(mutual: Path) -> None:
    old, new_ca = CA.context(CLIENT_CA.issue(), mutual), Authority("the next")
    new = CA.context(new_ca.issue(), mutual)
    async with serving(mutual) as served:
        by_certificate, by_address = await served.connect(old, FOREIGN), await served.connect()
        assert (await by_certificate.ask()).status == 200
        (mutual / "ca.crt").write_bytes(CLIENT_CA.pem + new_ca.pem)  # the smooth way: the new one joins first
        assert await by_certificate.is_closed(), "it was accepted under other CAs"
        for context in (old, new):
            assert (await served.ask(context, FOREIGN)).status == 200
        (mutual / "ca.crt").write_bytes(new_ca.pem)
        kept = await served.connect(old, FOREIGN)
        assert await kept.is_closed()
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await served.ask(old, FOREIGN)
        assert (await served.ask(new, FOREIGN)).status == 200
        assert (await by_address.ask()).status == 200
        by_address.close()


async def test_the_same_cas_in_another_form_close_nothing(mutual: Path) -> None:
    other = Authority("other")
    (mutual / "ca.crt").write_bytes(CLIENT_CA.pem + other.pem)
    async with serving(mutual) as served:
        connection = await served.connect(CA.context(CLIENT_CA.issue(), mutual), FOREIGN)
        digest = served.tls.current.digest
        (mutual / "ca.crt").write_bytes(b"# comment\n" + other.pem + CLIENT_CA.pem + other.pem)
        await until_async(lambda: served.tls.current.digest != digest)
        await asyncio.sleep(0.1)
        assert (await connection.ask()).status == 200
        connection.close()


def resumed_ask(port: int, context: ssl.SSLContext, session: Any = None) -> tuple[int, bool, Any]:
    """Ask from FOREIGN, resuming *session*; return the status, whether it was resumed, and the session for later."""
    plain = socket.create_connection(("127.0.0.1", port), 20, (FOREIGN, 0))
    with context.wrap_socket(plain, server_hostname=SERVER_NAME, session=session) as connection:
        connection.sendall(request(("Connection", "close")))
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
        if not reply:
            raise ConnectionResetError
        return int(reply.split()[1]), bool(connection.session_reused), connection.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_lets_neither_a_withdrawn_nor_an_expired_certificate_in(
    mutual: Path, version: ssl.TLSVersion
) -> None:
    known = CA.context(CLIENT_CA.issue(), mutual)
    known.minimum_version = known.maximum_version = version
    clock = Clock()
    async with serving(mutual, watch={"clock": clock}) as served:
        status, _, session = await asyncio.to_thread(resumed_ask, served.port, known)
        assert status == 200
        status, resumed, _ = await asyncio.to_thread(resumed_ask, served.port, known, session)
        assert status == 200
        assert resumed is (version is ssl.TLSVersion.TLSv1_2), "so that what follows means something"
        clock.now = 5_000_000_000.0
        assert (await asyncio.to_thread(resumed_ask, served.port, known, session))[0] == 403
        clock.now = None
        (mutual / "ca.crt").write_bytes(Authority("the next").pem)
        await served.tls.poll()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(resumed_ask, served.port, known, session)


# Floods and the end


async def test_a_flood_from_many_addresses_breaks_off_its_own_handshakes_and_lets_proxies_in(
    mutual: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(max_connections=400, max_untrusted_handshakes=40, head_seconds=600)
    known = CA.context(CLIENT_CA.issue(), mutual)
    async with serving(mutual, limits=limits) as served:
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
    assert caplog.text.count("cancelled the oldest TLS handshakes") == 1


async def ending(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        assert await reader.read() == b""


async def test_connections_beyond_the_bound_are_closed_and_the_others_served(folder: Path) -> None:
    async with serving(folder, limits=Limits(max_connections=2)) as served:
        kept = []
        for _ in range(2):
            kept.append(await served.connect())
            assert (await kept[-1].ask()).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.connect()
        for connection in kept:
            assert (await connection.ask()).status == 200
            connection.close()


async def test_a_peer_that_writes_on_after_a_head_was_too_large_gets_the_answer(folder: Path) -> None:
    async with asyncio.timeout(20):
        async with serving(folder, limits=Limits(linger_seconds=60)) as served:
            connection = await served.connect()
            for piece in [request().removesuffix(b"\r\n") + b"X: ", *[b"x" * 16 * 1024] * 16]:
                connection.writer.write(piece)
                await connection.writer.drain()
                await asyncio.sleep(0.01)
            assert (await read_answer(connection.reader)).status == 431
        assert await connection.is_closed(), "the end does not wait for it"


@pytest.mark.parametrize("bound", [{"linger_seconds": 0.2}, {"linger_seconds": 60, "max_linger_bytes": 0}])
async def test_a_refused_peer_that_does_not_close_is_closed(folder: Path, bound: dict[str, Any]) -> None:
    async with asyncio.timeout(20), serving(folder, limits=Limits(**bound)) as served:
        connection = await served.connect()
        connection.writer.write(request().removesuffix(b"\r\n") + b"X: " + b"x" * 66 * 1024)
        assert (await read_answer(connection.reader)).status == 431
        connection.writer.write(b"x")
        assert await connection.is_closed()


async def test_the_end_waits_for_no_idle_connection_and_no_handshake(folder: Path) -> None:
    async with asyncio.timeout(20):
        async with serving(folder) as served:
            idle = await served.connect()
            assert (await idle.ask()).status == 200
            _, silent = await asyncio.open_connection("127.0.0.1", served.port)
            await asyncio.sleep(0.05)
        assert await idle.is_closed()
        silent.close()
        with pytest.raises(ConnectionError):
            await served.connect()


async def test_a_request_in_flight_is_answered_before_the_end(folder: Path) -> None:
    async with serving(folder) as served:
        connection = await served.connect()
        decide, started = served.app.live.gate.decide, asyncio.Event()

        async def slowly(asked: Any) -> Any:
            started.set()
            await asyncio.sleep(0.5)
            return await decide(asked)

        served.app.live.gate.decide = slowly  # type: ignore[method-assign]
        connection.writer.write(request())
        await started.wait()
    assert (await asyncio.wait_for(read_answer(connection.reader), 20)).status == 200
    connection.close()


async def test_an_address_in_use_is_an_error_before_anything_is_served(folder: Path) -> None:
    async with serving(folder) as served:
        with pytest.raises(OSError, match="in use"):
            async with listening(f"127.0.0.1:{served.port}", served.app.answer, tls=served.tls):
                pass
