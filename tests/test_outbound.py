"""The resolver of AuthGate's own requests: daemon threads, one for each name, and only addresses that pass a check."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from dataclasses import replace

import aiohttp
import pytest
import uvloop

from authgate.outbound import BoundedConnector, Resolver
from tests.neighbors import lying
from tests.support.fetching import NAME, Names


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


async def test_a_name_is_resolved_to_all_its_addresses(names: Names) -> None:
    names.addresses[NAME] = ["192.0.2.1", "2001:db8::1"]
    resolved = await Resolver().resolve(NAME, 443)
    assert [(address["hostname"], address["host"], address["port"]) for address in resolved] == [
        (NAME, "192.0.2.1", 443),
        (NAME, "2001:db8::1", 443),
    ]
    assert [address["family"] for address in resolved] == [socket.AF_INET, socket.AF_INET6]


async def test_an_address_is_returned_as_it_is_and_needs_no_thread(names: Names) -> None:
    for address, family in (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6)):
        names.addresses[address] = []
        [resolved] = await Resolver().resolve(address, 443)
        assert (resolved["host"], resolved["port"], resolved["family"]) == (address, 443, family)
    assert names.asked == []


async def test_one_address_that_fails_the_check_fails_all(names: Names) -> None:
    def check(host: str, address: str) -> None:
        if address == "192.0.2.2":
            raise PermissionError(host)

    names.addresses[NAME] = ["192.0.2.1", "192.0.2.2"]
    resolver = Resolver()
    with pytest.raises(PermissionError, match=NAME):
        await replace(resolver, check=check).resolve(NAME, 443)
    assert len(await resolver.resolve(NAME, 443)) == 2


async def test_a_name_that_hangs_has_one_daemon_thread_for_all_callers(names: Names) -> None:
    go_on = threading.Event()
    threads: list[threading.Thread] = []

    def hanging() -> list[str]:
        threads.append(threading.current_thread())
        go_on.wait(60)
        return ["192.0.2.1"]

    names.addresses[NAME] = hanging
    resolver = Resolver(0.05)
    try:
        for caller in (resolver, replace(resolver), resolver):
            with pytest.raises(TimeoutError):
                await caller.resolve(NAME, 443)
        assert [thread.daemon for thread in threads] == [True], "it does not keep the process alive"
        waiting = asyncio.ensure_future(replace(resolver, timeout_seconds=None).resolve(NAME, 443))
        await asyncio.sleep(0.1)
        assert not waiting.done(), "without a timeout, the caller limits the time"
    finally:
        go_on.set()
    assert [address["host"] for address in await waiting] == ["192.0.2.1"]
    assert len(threads) == 1


def test_a_descriptor_of_a_connection_that_is_reset_in_its_tls_handshake_is_closed_once() -> None:
    """The second time, its number would belong to another connection. Here it belongs to a file."""

    async def ask(port: int) -> None:
        async with aiohttp.ClientSession(connector=BoundedConnector(max_bytes=1024)) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"https://127.0.0.1:{port}/")

    async def check() -> None:
        with lying.lying(lying.resetting) as liar:
            for _ in range(10):
                gc.disable()
                try:
                    await ask(liar.port)
                    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
                finally:
                    gc.enable()
                gc.collect()
                for descriptor in opened:
                    os.close(descriptor)  # fails if it has been closed

    uvloop.run(check())
