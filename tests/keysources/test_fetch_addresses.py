"""One GET goes to an address that was checked, and to no other (J6)."""

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


async def test_a_name_that_is_unknown_is_told(names: Names) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names.addresses[NAME] = unknown
    said = await failure(fetcher(), f"https://{NAME}/jwks")
    assert said == (
        f"https://{NAME}/jwks cannot be fetched: the host name {NAME} cannot be resolved (Name or service not known)"
    )


async def test_a_name_that_cannot_be_one_is_a_failure() -> None:
    assert "cannot be fetched" in await failure(fetcher(), f"http://{'a' * 64}.example/jwks")


async def test_a_look_up_that_hangs_is_bounded_and_holds_up_no_other_issuer(one: Issuer, names: Names) -> None:
    go_on = threading.Event()

    def hanging() -> list[str]:
        go_on.wait(20)
        return ["127.0.0.1"]

    names.addresses |= {"hanging.example": hanging, NAME: ["127.0.0.1"]}
    hangs, other = fetcher(1.0), fetcher()
    try:
        async with asyncio.TaskGroup() as tasks:
            failing = tasks.create_task(failure(hangs, named(one, "hanging.example")))
            assert (await other.get(named(one))).body
        assert failing.result() == (f"{named(one, 'hanging.example')} cannot be fetched: no connection within 0.5 s")
        await failure(hangs, named(one, "hanging.example"))
        assert names.asked.count("hanging.example") == 1  # the thread that hangs is waited for, no other is started
        assert (await hangs.get(named(one))).body
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "a link-local address, where clouds keep credentials"),
        ("fe80::1%2", "a link-local address, where clouds keep credentials"),
        ("::ffff:169.254.169.254", "a link-local address, where clouds keep credentials"),
        ("100.100.100.200", "the address of a cloud's metadata service"),
        ("0.0.0.0", "not the address of a host"),
    ],
)
@pytest.mark.parametrize("found_at", [None, FOUND_AT, "https://other.example/"])
async def test_j6_a_name_that_leads_where_it_must_not_is_not_connected_to(
    one: Issuer, names: Names, address: str, why: str, found_at: str | None
) -> None:
    names.addresses[NAME] = ["127.0.0.1", address] if found_at is None else ["192.0.2.1", address]
    said = await failure(fetcher(), named(one), found_at=found_at)
    assert said == f"{NAME} resolves to {address}, {why}; AuthGate does not connect to it"
    assert one.connections() == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_j6_a_name_in_a_foreign_document_that_leads_to_this_machine_is_not_connected_to(
    one: Issuer, names: Names, address: str
) -> None:
    names.addresses[NAME] = [address]
    said = await failure(fetcher(), named(one), found_at="https://other.example/.well-known/openid-configuration")
    assert said == f"{NAME} resolves to {address}, a loopback address; AuthGate does not connect to it"
    assert one.connections() == 0


async def test_a_name_may_lead_to_this_machine_where_the_operator_wrote_it(one: Issuer, names: Names) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    assert (await fetcher().get(named(one))).body
    assert (await fetcher().get(one.jwks_url, found_at=one.openid_url)).body
    said = await failure(fetcher(), named(one), found_at=FOUND_AT)
    assert said == f"{NAME} resolves to 127.0.0.1, a loopback address; AuthGate does not connect to it"


async def test_an_address_that_the_operator_wrote_is_asked(one: Issuer) -> None:
    # Nobody answers there; it is asked all the same, which only its failure tells.
    said = await failure(fetcher(0.2), "http://169.254.0.0:1/jwks")
    assert "AuthGate does not connect to it" not in said


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "0", "[::ffff:169.254.169.254]", "0.0.0.0", "[::]"]
)
async def test_j6_an_address_in_a_form_of_its_own_is_not_asked(one: Issuer, host: str) -> None:
    said = await failure(fetcher(), named(one, host), found_at=FOUND_AT)
    assert "AuthGate does not connect to it" in said or "names no host" in said
    assert one.connections() == 0


async def test_j6_the_connection_goes_to_the_address_that_was_checked(one: Issuer, names: Names) -> None:
    answers = iter(["127.0.0.1", "169.254.169.254", "127.0.0.1"])
    names.addresses[NAME] = lambda: [next(answers)]
    fetching = fetcher()
    assert (await fetching.get(named(one))).body
    assert names.asked == [NAME]  # once: a second answer cannot replace the one that was checked
    assert "169.254.169.254" in await failure(fetching, named(one))
    assert (await fetching.get(named(one))).body
    assert (len(names.asked), one.connections()) == (3, 2)
    assert one.requests()[0].headers["host"] == urlsplit(named(one)).netloc


def test_a_route_does_not_show_the_proxys_password() -> None:
    assert CANARY not in repr(Route(outbound_proxy=f"http://user:{CANARY}@proxy.example:3128"))
