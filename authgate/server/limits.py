"""The bounds of a listener."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one listener.

    *max_head_bytes* and *max_header_lines* bound a request head. No connection stays in a state for longer than that
    state's bound:

    - *head_seconds*: a request head, or a TLS handshake, is incomplete.
    - *answer_seconds*: a request has no answer yet. A decision waits for at most 3 s on each lookup.
    - *write_seconds*: the peer has not read everything that was written to it.
    - *idle_seconds*: no request. Longer than proxies keep idle connections (nginx 60 s, Traefik 90 s).

    After it refuses a request, AuthGate keeps reading for at most *max_linger_bytes* or *linger_seconds* (see
    lingering.py). *max_linger_bytes* exceeds the bytes that a proxy with the shipped files may still write: at most
    about 100 KiB from Caddy, for a URI of 32 KiB with each byte percent-encoded. *linger_seconds* must be shorter than
    *idle_seconds*.

    At shutdown, requests in flight get *drain_seconds*. Peers that are not trusted proxies share
    *max_untrusted_connections* of all connections, and *max_untrusted_handshakes* of the TLS handshakes in progress.

    New connections wait while fewer than *free_descriptors* of the process are free: those are for keys, session stores
    and the admin port, which alone may have 64 connections. 0 is for the listener that takes the last ones.
    """

    max_head_bytes: int = 64 * 1024
    max_header_lines: int = 256
    head_seconds: float = 10.0
    answer_seconds: float = 30.0
    write_seconds: float = 10.0
    idle_seconds: float = 120.0
    max_linger_bytes: int = 256 * 1024
    linger_seconds: float = 2.0
    drain_seconds: float = 10.0
    max_connections: int = 4096
    max_untrusted_connections: int = 64
    max_untrusted_handshakes: int = 256
    free_descriptors: int = 128

    @property
    def sweep_seconds(self) -> float:
        """How often the deadlines of all connections are checked: a connection may outlive its bound by this."""
        return min(1.0, min(self.head_seconds, self.answer_seconds, self.write_seconds, self.idle_seconds) / 4)
