"""Who may ask: which peers are trusted proxies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.adapters import parse_address
from authgate.core.errors import Unreadable
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.adapters import TrustedProxies
    from authgate.core.request import IPAddress


@dataclass(slots=True, kw_only=True)
class Peer:
    """The other end of a connection: its *address*, and the names in its verified certificate (None: it has none).

    *trusted_by* is the `Peers` that found the address to be trusted. A connection asks it again only after a reload.
    """

    address: str
    certificate_names: frozenset[str] | None = None
    trusted_by: Peers | None = field(default=None, repr=False, compare=False)


UNIX_PEER = Peer(address="unix")


class Peers:
    """The peers that are trusted by one configuration."""

    def __init__(
        self,
        trusted: TrustedProxies,
        *,
        unix_socket: bool = False,
        asks_for_certificate: bool = False,
        client_names: frozenset[str] | None = None,
    ) -> None:
        """On a unix socket (*unix_socket*) every peer is trusted: the permissions of its file protect it.

        With *asks_for_certificate* (mutual TLS) a peer is also trusted if its certificate has one of *client_names*, or
        any verified certificate if *client_names* is None.
        """
        self.trusted = trusted
        self.unix_socket = unix_socket
        self._asks_for_certificate = asks_for_certificate
        self._client_names = client_names

    def trusts(self, peer: Peer) -> bool:
        """Return whether *peer* is a trusted proxy."""
        if peer.trusted_by is self:
            return True
        try:
            self.check(peer)
        except Unreadable:
            return False
        return True

    def check(self, peer: Peer) -> None:
        """Raise `Unreadable` unless *peer* is trusted by its address or certificate, or uses the unix socket."""
        names = peer.certificate_names
        if self.unix_socket or (names is not None and (self._client_names is None or names & self._client_names)):
            return  # not cached: a certificate may expire at any time
        try:
            self.trusted.check(_address(peer.address))
        except Unreadable as refused:
            if not self._asks_for_certificate:
                raise
            if names is None:
                detail = f"{refused.detail}, and it showed no client certificate"
                fix = f"if {peer.address} is your reverse proxy, configure its client certificate (docs/tls.md)"
                raise Unreadable(refused.reason, detail, fix=fix) from refused
            shown = quoted(", ".join(sorted(names)), 200)
            detail = f"{refused.detail}, and no name of its certificate ({shown}) is in tls.client_names"
            fix = f"if {peer.address} is your reverse proxy, add a name of its certificate to tls.client_names"
            raise Unreadable(refused.reason, detail, fix=fix) from refused
        peer.trusted_by = self


def _address(peer: str) -> IPAddress:
    address = parse_address(peer)
    if address is None:  # the connection has already ended
        raise Unreadable(Reason.UNTRUSTED_PROXY, "the peer's address is unknown")
    return address
