"""Mutual TLS: which client certificates make a peer trusted, and for how long. On both event loops."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import Authority, Pair
from tests.support.tls_listener import CA, CLIENT_CA, FOREIGN, Clock, resumed_ask, serving_tls
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.both_event_loops, pytest.mark.usefixtures("lanes")]


async def test_a_client_certificate_makes_a_peer_trusted_at_any_address(mutual_tls_folder: Path) -> None:
    known = CA.context(CLIENT_CA.issue("traefik.internal"), mutual_tls_folder)
    async with serving_tls(mutual_tls_folder) as served:
        assert (await served.ask(known, FOREIGN)).status == 200
        assert (await served.ask(local=FOREIGN)).reason == "untrusted_proxy"
        assert (await served.ask()).status == 200, "by its address"


async def test_without_trusted_proxies_only_certificates_count(mutual_tls_folder: Path) -> None:
    known = CA.context(CLIENT_CA.issue(), mutual_tls_folder)
    async with serving_tls(mutual_tls_folder, AUTHGATE_TRUSTED_PROXIES="[]") as served:
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
@pytest.mark.parametrize(("pair", "message"), REFUSED.values(), ids=REFUSED)
async def test_an_unacceptable_client_certificate_fails_the_handshake(
    mutual_tls_folder: Path, pair: Pair, message: str, version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    context = CA.context(pair, mutual_tls_folder)
    context.minimum_version = context.maximum_version = version
    async with serving_tls(mutual_tls_folder) as served:
        for local in (FOREIGN, "127.0.0.1"):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await served.ask(context, local)
        await until_async(lambda: f"the peer's certificate was rejected: {message}" in caplog.text)


async def test_the_cas_of_the_system_are_not_trusted(mutual_tls_folder: Path) -> None:
    async with serving_tls(mutual_tls_folder) as served:
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
async def test_the_name_must_be_listed_or_the_address_decides(
    mutual_tls_folder: Path, names: tuple[str, ...], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    context = CA.context(CLIENT_CA.issue(*names), mutual_tls_folder)
    listed = "Traefik.internal, spiffe://cluster/ns/proxy/sa/traefik"
    async with serving_tls(mutual_tls_folder, AUTHGATE_TLS__CLIENT_NAMES=listed) as served:
        assert (await served.ask(context, FOREIGN)).status == status
        assert (await served.ask(context)).status == 200, "by its address"
    logged = [getattr(record, "fields", {}).get("fix") for record in caplog.records if record.getMessage() == "deny"]
    expected = f"if {FOREIGN} is your reverse proxy, add a name of its certificate to tls.client_names"
    assert logged == ([expected] if status == 403 else [])


async def test_an_expired_certificate_no_longer_counts_on_its_open_connection(mutual_tls_folder: Path) -> None:
    known = CA.context(CLIENT_CA.issue(), mutual_tls_folder)
    clock = Clock()
    async with serving_tls(mutual_tls_folder, watch={"clock": clock}) as served:
        connection, closed = await served.connect(known, FOREIGN), await served.connect(known, FOREIGN)
        assert (await connection.ask()).status == 200
        assert (await closed.ask()).status == 200
        clock.now = 5_000_000_000.0
        assert (await connection.ask()).reason == "untrusted_proxy", "checked at every request"
        assert await closed.is_closed()


async def test_removing_a_ca_closes_only_the_connections_of_its_certificates(mutual_tls_folder: Path) -> None:
    old, new_ca = CA.context(CLIENT_CA.issue(), mutual_tls_folder), Authority("the next")
    new = CA.context(new_ca.issue(), mutual_tls_folder)
    async with serving_tls(mutual_tls_folder) as served:
        by_certificate, by_address = await served.connect(old, FOREIGN), await served.connect()
        assert (await by_certificate.ask()).status == 200
        (mutual_tls_folder / "ca.crt").write_bytes(
            CLIENT_CA.pem + new_ca.pem
        )  # the smooth way: the new one joins first
        assert await by_certificate.is_closed(), "it was accepted under other CAs"
        for context in (old, new):
            assert (await served.ask(context, FOREIGN)).status == 200
        (mutual_tls_folder / "ca.crt").write_bytes(new_ca.pem)
        kept = await served.connect(old, FOREIGN)
        assert await kept.is_closed()
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await served.ask(old, FOREIGN)
        assert (await served.ask(new, FOREIGN)).status == 200
        assert (await by_address.ask()).status == 200
        by_address.close()


async def test_the_same_cas_in_another_encoding_close_nothing(mutual_tls_folder: Path) -> None:
    other = Authority("other")
    (mutual_tls_folder / "ca.crt").write_bytes(CLIENT_CA.pem + other.pem)
    async with serving_tls(mutual_tls_folder) as served:
        connection = await served.connect(CA.context(CLIENT_CA.issue(), mutual_tls_folder), FOREIGN)
        digest = served.tls.current.digest
        (mutual_tls_folder / "ca.crt").write_bytes(b"# comment\n" + other.pem + CLIENT_CA.pem + other.pem)
        await until_async(lambda: served.tls.current.digest != digest)
        await asyncio.sleep(0.1)
        assert (await connection.ask()).status == 200
        connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_accepts_no_removed_ca_and_no_expired_certificate(
    mutual_tls_folder: Path, version: ssl.TLSVersion
) -> None:
    known = CA.context(CLIENT_CA.issue(), mutual_tls_folder)
    known.minimum_version = known.maximum_version = version
    clock = Clock()
    async with serving_tls(mutual_tls_folder, watch={"clock": clock}) as served:
        status, _, session = await asyncio.to_thread(resumed_ask, served.port, known)
        assert status == 200
        status, resumed, _ = await asyncio.to_thread(resumed_ask, served.port, known, session)
        assert status == 200
        assert resumed is (version is ssl.TLSVersion.TLSv1_2), "so that what follows means something"
        clock.now = 5_000_000_000.0
        assert (await asyncio.to_thread(resumed_ask, served.port, known, session))[0] == 403
        clock.now = None
        (mutual_tls_folder / "ca.crt").write_bytes(Authority("the next").pem)
        await served.tls.poll()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(resumed_ask, served.port, known, session)
