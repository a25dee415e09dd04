"""The auth port: takes a subrequest through the four hops adapter.read → gate.decide → adapter.write → record."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from authgate.adapters import ADAPTERS, guarded_names, parse_address
from authgate.core.decision import deny_unreadable
from authgate.core.errors import Unreadable
from authgate.core.reasons import Reason
from authgate.gate import bug_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.adapters import Adapter, TrustedProxies
    from authgate.core.request import IPAddress, Request
    from authgate.gate import Gate
    from authgate.record import Recorder

_ENDPOINTS = {f"/auth/{name}": adapter for name, adapter in ADAPTERS.items()}
_SERVER = ("Server", "AuthGate")  # aiohttp's own value would tell clients the versions of Python and aiohttp
_NO_ENDPOINT = f"AuthGate answers at {', '.join(_ENDPOINTS)}"


class AuthEndpoint:
    """Answers subrequests: one path for each adapter, no guessing by headers."""

    def __init__(
        self, *, gate: Gate, trusted: TrustedProxies, emits: Sequence[str], recorder: Recorder, unix_socket: bool
    ) -> None:
        """*emits* names the identity headers; *unix_socket* says that peers have no address (and are trusted)."""
        self._gate = gate
        self._trusted = trusted
        self._recorder = recorder
        self._unix_socket = unix_socket
        self._guarded = {name: guarded_names(adapter.reads, emits) for name, adapter in ADAPTERS.items()}

    def trusts(self, peer: str) -> bool:
        """Say whether *peer*, an address, is a trusted proxy; the peers of a unix socket all are."""
        if self._unix_socket:
            return True
        address = parse_address(peer)
        return address is not None and address in self._trusted

    async def __call__(self, subrequest: web.BaseRequest) -> web.Response:
        """Return the reply to *subrequest*; whatever happens, only an `Allow` makes it a 200."""
        started = perf_counter()
        adapter = _ENDPOINTS.get(subrequest.raw_path.partition("?")[0])
        if adapter is None:
            self._recorder.record_unknown_path(self._peer(subrequest), _NO_ENDPOINT)
            return web.Response(status=404, text=f"{_NO_ENDPOINT}.\n", headers=(_SERVER,))
        request, peer = None, self._peer(subrequest)
        try:
            request = self._read(adapter, subrequest, peer)
            decision = await self._gate.decide(request)
        except Unreadable as unreadable:
            decision = deny_unreadable(unreadable)
        except Exception as bug:  # noqa: BLE001 - a bug before the gate: refused, loud, counted
            decision = bug_refusal(bug)
        reply = adapter.write(decision)
        self._recorder.record(
            decision=decision,
            adapter=adapter.name,
            request=request,
            headers=subrequest.headers,
            peer=peer,
            seconds=perf_counter() - started,
        )
        return web.Response(status=reply.status, headers=(*reply.headers, _SERVER), body=reply.body)

    def _read(self, adapter: Adapter, subrequest: web.BaseRequest, peer: str) -> Request:
        self._trusted.check(None if self._unix_socket else _address(peer))
        return adapter.read(subrequest.headers, self._trusted, self._guarded[adapter.name])

    def _peer(self, subrequest: web.BaseRequest) -> str:
        peername = subrequest.protocol.peername
        if self._unix_socket:
            return "unix"
        return str(peername[0]) if isinstance(peername, tuple) else ""


def _address(peer: str) -> IPAddress:
    address = parse_address(peer)
    if address is None:  # a connection that is already gone
        raise Unreadable(Reason.UNTRUSTED_PROXY, "the peer's address is unknown")
    return address
