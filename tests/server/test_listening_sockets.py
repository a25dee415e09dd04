"""The sockets of a listener, one for each address that its name resolves to."""

from __future__ import annotations

import errno
import socket

import pytest

from authgate.server.sockets import listening_sockets

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
UNSUPPORTED = (socket.AF_APPLETALK, socket.SOCK_SEQPACKET, 6, "", ("::1", 0, 0, 0))  # like IPv6 where it is disabled


async def test_an_address_of_an_unsupported_family_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [UNSUPPORTED, V4])
    (listening,) = await listening_sockets("localhost:0")
    assert listening.getsockname()[0] == "127.0.0.1"
    listening.close()


async def test_no_usable_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [UNSUPPORTED])
    with pytest.raises(OSError, match="not supported") as refused:
        await listening_sockets("localhost:0")
    assert refused.value.errno in {errno.EAFNOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EPROTONOSUPPORT}
