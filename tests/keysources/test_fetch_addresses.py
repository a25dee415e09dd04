"""A GET connects only to an address that was checked (J6)."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from authgate.keysources.fetch import Route
from tests.support.fetching import CANARY, FOUND_AT, NAME, Names, failure, fetcher, named

if TYPE_CHECKING:
    from tests.support.issuer import Issuer


async def test_an_unknown_name_is_a_failure_that_names_it(names: Names) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names.addresses[NAME] = unknown
    message = await failure(fetcher(), f"https://{NAME}/jwks")
    assert message.startswith(f"https://{NAME}/jwks cannot be fetched: ")
    assert f"{NAME} cannot be resolved (Name or service not known)" in message


async def test_a_malformed_name_is_a_failure() -> None:
    assert "cannot be fetched" in await failure(fetcher(), f"http://{'a' * 64}.example/jwks")


async def test_a_dns_lookup_that_hangs_is_bounded_and_delays_no_other_issuer(issuer: Issuer, names: Names) -> None:
    go_on = threading.Event()

    def hanging() -> list[str]:
        go_on.wait(60)
        return ["127.0.0.1"]

    names.addresses |= {"hanging.example": hanging, NAME: ["127.0.0.1"]}
    slow_fetcher, other_fetcher = fetcher(1.0), fetcher()
    try:
        async with asyncio.TaskGroup() as tasks:
            failing = tasks.create_task(failure(slow_fetcher, named(issuer, "hanging.example")))
            assert (await other_fetcher.get(named(issuer))).body
        assert failing.result().startswith(f"{named(issuer, 'hanging.example')} cannot be fetched: ")
        assert "no connection within 0.5 s" in failing.result()
        await failure(slow_fetcher, named(issuer, "hanging.example"))
        assert names.asked.count("hanging.example") == 1  # the second fetch started no other thread
        assert (await slow_fetcher.get(named(issuer))).body
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("169.254.169.254", "a link-local address, where clouds keep credentials"),
        ("fe80::1%2", "a link-local address, where clouds keep credentials"),
        ("::ffff:169.254.169.254", "a link-local address, where clouds keep credentials"),
        ("100.100.100.200", "the address of a cloud's metadata service"),
        ("0.0.0.0", "not the address of a host"),
    ],
)
@pytest.mark.parametrize("found_at", [None, FOUND_AT, "https://other.example/"])
async def test_j6_a_name_that_resolves_to_a_forbidden_address_is_not_connected_to(
    issuer: Issuer, names: Names, address: str, reason: str, found_at: str | None
) -> None:
    names.addresses[NAME] = ["127.0.0.1", address] if found_at is None else ["192.0.2.1", address]
    message = await failure(fetcher(), named(issuer), found_at=found_at)
    assert message.startswith(f"{NAME} resolves to {address}, {reason}")
    assert issuer.connections() == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_j6_a_name_in_a_document_of_another_host_must_not_resolve_to_loopback(
    issuer: Issuer, names: Names, address: str
) -> None:
    names.addresses[NAME] = [address]
    message = await failure(fetcher(), named(issuer), found_at="https://other.example/.well-known/openid-configuration")
    assert message.startswith(f"{NAME} resolves to {address}, a loopback address")
    assert issuer.connections() == 0


async def test_a_configured_name_may_resolve_to_loopback(issuer: Issuer, names: Names) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    assert (await fetcher().get(named(issuer))).body
    assert (await fetcher().get(issuer.jwks_url, found_at=issuer.openid_url)).body
    message = await failure(fetcher(), named(issuer), found_at=FOUND_AT)
    assert message.startswith(f"{NAME} resolves to 127.0.0.1, a loopback address")


async def test_a_configured_address_is_connected_to(issuer: Issuer) -> None:
    # Nothing listens there. Only the message of the failure shows that AuthGate tried to connect.
    message = await failure(fetcher(0.2), "http://169.254.0.0:1/jwks")
    assert "AuthGate does not connect to it" not in message


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "0", "[::ffff:169.254.169.254]", "0.0.0.0", "[::]"]
)
async def test_j6_an_address_in_an_unusual_form_is_not_connected_to(issuer: Issuer, host: str) -> None:
    message = await failure(fetcher(), named(issuer, host), found_at=FOUND_AT)
    assert "AuthGate does not connect to it" in message or "names no host" in message
    assert issuer.connections() == 0


async def test_j6_the_connection_goes_to_the_address_that_was_checked(issuer: Issuer, names: Names) -> None:
    answers = iter(["127.0.0.1", "169.254.169.254", "127.0.0.1"])
    names.addresses[NAME] = lambda: [next(answers)]
    fetching = fetcher()
    assert (await fetching.get(named(issuer))).body
    assert names.asked == [NAME]  # one lookup: no second answer can replace the checked one
    assert "169.254.169.254" in await failure(fetching, named(issuer))
    assert (await fetching.get(named(issuer))).body
    assert (len(names.asked), issuer.connections()) == (3, 2)
    assert issuer.requests()[0].headers["host"] == urlsplit(named(issuer)).netloc


def test_the_repr_of_a_route_does_not_show_the_password_of_the_proxy() -> None:
    assert CANARY not in repr(Route(outbound_proxy=f"http://user:{CANARY}@proxy.example:3128"))
