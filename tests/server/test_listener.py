"""The sockets of a listener: the file of a unix socket, and how many new connections it accepts at once."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from authgate.server.accepting import accepting
from authgate.server.closing import ConnectionCounts
from authgate.server.descriptors import Descriptors
from authgate.server.limits import Limits
from authgate.server.listener import listening
from authgate.server.sockets import bound_address
from tests.support.tls_listener import serving_tls
from tests.support.waiting import PATIENCE_SECONDS, until_async

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import App
    from authgate.peers import Peer

pytestmark = pytest.mark.usefixtures("lanes")


async def test_a_socket_file_that_a_killed_process_left_is_replaced(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    with socket.socket(socket.AF_UNIX) as left_socket:
        left_socket.bind(str(path))
    async with listening(f"unix:{path}", app.answer) as address:
        assert address == f"unix:{path}"


async def test_a_socket_that_another_process_serves_is_left_alone(app: App, tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    async with listening(f"unix:{path}", app.answer):
        with pytest.raises(OSError, match="in use"):
            async with listening(f"unix:{path}", app.answer):
                pass


@pytest.mark.both_event_loops
@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
async def test_new_connections_do_not_wait_for_a_pass_of_the_event_loop_each(
    tls_folder: Path, tmp_path: Path, kind: str
) -> None:
    """Each pass may answer hundreds of requests. Meanwhile the kernel drops new connections over its backlog."""
    address = f"unix:{tmp_path}/authgate.sock" if kind == "unix" else "127.0.0.1:0"
    peers: list[Peer] = []
    counts, passes = ConnectionCounts(), 0

    def trusts(peer: Peer) -> bool:  # called for each accepted connection
        peers.append(peer)
        return True

    async with serving_tls(tls_folder) as served:
        tls = served.tls if kind == "tls" else None
        async with listening(address, served.app.answer, None, trusts, tls, counts) as bound:
            with ExitStack() as opened:
                for _ in range(120):  # the event loop does not run meanwhile
                    opened.enter_context(_connected(bound))
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while len(peers) < 120:
                        await asyncio.sleep(0)
                        passes += 1
    assert 120 / 16 <= passes < 30
    assert (counts.open, counts.pauses) == (0, 0)


def _connected(address: str) -> socket.socket:
    path = address.removeprefix("unix:")
    peer = socket.socket(socket.AF_UNIX if path != address else socket.AF_INET)
    host, _, port = address.rpartition(":")
    peer.connect(path if path != address else (host, int(port)))
    return peer


class FailingSocket(socket.socket):
    """A listening socket that cannot accept, *failures* times."""

    failures: list[int]

    def _accept(self) -> tuple[int, Any]:
        if self.failures:
            raise OSError(number := self.failures.pop(), os.strerror(number))
        return super()._accept()  # type: ignore[misc]


SHORTAGES = {
    errno.ENFILE: "this machine has no free file descriptor: raise its limit (sysctl fs.file-max)",
    errno.ENOBUFS: "the kernel has no memory for a connection: give this machine more memory",
    errno.ENOMEM: "the kernel has no memory for a connection: give this machine more memory",
    errno.EPERM: "accepting one fails (Operation not permitted)",
}


@pytest.mark.both_event_loops
@pytest.mark.parametrize("number", SHORTAGES, ids=errno.errorcode.get)
async def test_a_connection_that_cannot_be_accepted_waits_and_is_accepted_later(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    listening_socket = FailingSocket()
    listening_socket.failures = [number, number, errno.ECONNABORTED]
    listening_socket.bind(("127.0.0.1", 0))
    listening_socket.listen()
    listening_socket.settimeout(0)
    accepted: list[socket.socket] = []
    counts = ConnectionCounts()
    with (
        accepting(
            [listening_socket], lambda connection, _: accepted.append(connection), Limits(), counts, Descriptors()
        ),
        _connected(bound_address("", listening_socket)),
    ):
        await until_async(lambda: accepted)
    accepted[0].close()
    assert counts.pauses == 2
    assert caplog.text.count(f"new connections wait: {SHORTAGES[number]}") == 1
