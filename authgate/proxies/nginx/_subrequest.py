"""The location by which nginx asks AuthGate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.proxies.findings import UNVERIFIED, Finding
from authgate.proxies.nginx._levels import target, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate.proxies.nginx._levels import Level
    from authgate.proxies.nginx.syntax import Directive

_MIN_BUFFER_BYTES = 16 * 1024
_MAX_SECONDS = 30.0
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "k": 1024.0, "K": 1024.0, "M": 1048576.0}


@dataclass(frozen=True, slots=True)
class _Header:
    """A header that the location has to set. *is_right* checks its value, *danger* is what happens otherwise."""

    name: str
    line: str
    is_right: Callable[[str], bool]
    danger: str
    is_error: bool = True

    @property
    def fix(self) -> str:
        """The line that sets the header."""
        return f"proxy_set_header {self.name} {self.line};"


def _is_url(value: str) -> bool:
    """Whether *value* names the client's host and its target. The scheme may be fixed, or another proxy's."""
    used = variables(value)
    return value.endswith("$request_uri") and bool({"http_host", "host"} & set(used)) and "://" in value


def _is_not_empty(value: str) -> bool:
    return bool(value)


def _is_empty(value: str) -> bool:
    return not value


_NAMED = "the client's own header names what AuthGate decides about"
_VERIFY = "proxy_ssl_verify on;\nproxy_ssl_trusted_certificate FILE;\nproxy_ssl_name NAME;"
_NOT_KEPT = "every request opens a connection to AuthGate"
_NOT_SEEN = "AuthGate knows a WebSocket handshake by Sec-WebSocket-Key alone"
_ONCE = "AuthGate refuses a request in which a client repeats it"
_HEADERS = (
    _Header("X-Original-Method", "$request_method", lambda value: value == "$request_method", _NAMED),
    _Header("X-Original-URL", "$scheme://$http_host$request_uri", _is_url, _NAMED),
    _Header(
        "X-Forwarded-For",
        "$remote_addr",
        lambda value: bool(value) and "http_x_forwarded_for" not in variables(value),
        "clients can claim any address, and policies with `client` use it",
    ),
    _Header("Content-Length", '""', _is_empty, "AuthGate waits for a body that does not come"),
    _Header("X-Request-Id", "$request_id", _is_not_empty, "the log shows the id that the client chose", is_error=False),
    _Header("Upgrade", "$authgate_upgrade", _is_not_empty, _NOT_SEEN, is_error=False),
    _Header("Connection", '""', _is_empty, _NOT_KEPT, is_error=False),
    *(
        _Header(name, '""', _is_empty, _ONCE, is_error=False)
        for name in ("Content-Type", "Content-Location", "Content-Range", "Etag", "Max-Forwards", "Server")
    ),
    _Header("User-Agent", "$http_user_agent", lambda _: True, _ONCE, is_error=False),
)


def subrequest_findings(asked: Level) -> Iterator[Finding]:
    """Yield what is wrong with the location *asked*, which passes requests to AuthGate."""
    yield from _unset(asked)
    for header in _HEADERS:
        for line in asked.values("proxy_set_header", header.name):
            if not header.is_right(line.words[2]):
                message = f"{header.name} is set to {line.words[2] or 'nothing'}: {header.danger}"
                yield _at(asked, message, header.fix, line, is_error=header.is_error)
    for name, is_right, message, fix, is_error in _SETTINGS:
        if not is_right(asked.value(name)):
            lines = list(asked.in_effect(name))
            yield _at(asked, message, fix, lines[-1] if lines else None, is_error=is_error)
    if not asked.own("internal"):
        yield _at(asked, "clients can send requests to it", "internal;", is_error=False)
    if not target(asked).lower().startswith("http://") and asked.value("proxy_ssl_verify") != "on":
        yield _at(asked, UNVERIFIED, _VERIFY, asked.passing, is_error=True)
    yield from _answered(asked)
    yield from _intercepted(asked)
    yield from _upstream(asked)


def _unset(asked: Level) -> Iterator[Finding]:
    """Yield a finding for the headers that the location does not set, one for all with the same danger."""
    unset: dict[tuple[str, bool], list[_Header]] = {}
    for header in _HEADERS:
        if not asked.values("proxy_set_header", header.name):
            unset.setdefault((header.danger, header.is_error), []).append(header)
    for (danger, is_error), headers in unset.items():
        names = ", ".join(header.name for header in headers)
        message = f"{names} {'is' if len(headers) == 1 else 'are'} not set: {danger}"
        yield _at(asked, message, "\n".join(header.fix for header in headers), is_error=is_error)


def _at_least(least: float) -> Callable[[str], bool]:
    return lambda value: _number(value) >= least


def _number(value: str) -> float:
    """Return a size in bytes or a time in seconds; 0 if it is neither, or not set."""
    found = re.fullmatch(r"(\d{1,9})(ms|[smhkKM]?)", value)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _is_short(value: str) -> bool:
    return 0 < _number(value) <= _MAX_SECONDS


def _is_off(value: str) -> bool:
    return value in {"", "off"}


_SETTINGS: tuple[tuple[str, Callable[[str], bool], str, str, bool], ...] = (
    (
        "proxy_pass_request_body",
        lambda value: value == "off",
        "the body of requests is sent to AuthGate, which does not read it",
        "proxy_pass_request_body off;",
        True,
    ),
    (
        "proxy_pass_request_headers",
        lambda value: value != "off",
        "the headers of requests are not sent, so AuthGate sees no credential",
        "proxy_pass_request_headers on;",
        True,
    ),
    (
        "proxy_cache",
        _is_off,
        "answers of AuthGate are cached: a user may get another user's identity",
        "proxy_cache off;",
        True,
    ),
    (
        "proxy_buffer_size",
        _at_least(_MIN_BUFFER_BYTES),
        "identity headers of more than 4 KiB become a 500: AuthGate may send 8 KiB",
        "proxy_buffer_size 16k; proxy_buffers 4 16k; proxy_busy_buffers_size 32k;",
        False,
    ),
    (
        "proxy_http_version",
        lambda value: value in {"1.1", "2"},
        _NOT_KEPT,
        "proxy_http_version 1.1;",
        False,
    ),
    (
        "proxy_connect_timeout",
        _is_short,
        "clients wait a minute while AuthGate cannot be reached",
        "proxy_connect_timeout 2s;",
        False,
    ),
    (
        "proxy_read_timeout",
        _is_short,
        "clients wait a minute while AuthGate does not answer",
        "proxy_read_timeout 5s;",
        False,
    ),
)


def _answered(asked: Level) -> Iterator[Finding]:
    """Yield the lines by which nginx answers itself, or asks something else, instead of AuthGate."""
    waiting = [*(asked.directive.block or ())]
    while waiting:
        line = waiting.pop(0)
        leaves = line.name == "rewrite" and line.arguments[2:3] != ("break",)
        if leaves or line.name in {"return", "try_files"}:
            message = f"{line.name} answers instead of AuthGate: a status 2xx lets the request pass"
            yield _at(asked, message, f"Take {line.name} out of this location", line, is_error=True)
        if line.name == "if":
            waiting += line.block or ()


def _intercepted(asked: Level) -> Iterator[Finding]:
    """Yield a finding if nginx puts an error page in front of AuthGate's refusals: its status would decide."""
    if asked.value("proxy_intercept_errors") != "on":
        return
    for line in asked.in_effect("error_page"):
        if {"401", "403"} & set(line.arguments[:-1]):
            message = (
                "AuthGate's refusal is replaced by an error page before nginx looks at its status, and a page with "
                "status 200 lets the request pass (CVE-2026-24513)"
            )
            yield _at(asked, message, "proxy_intercept_errors off;", line, is_error=True)


def _upstream(asked: Level) -> Iterator[Finding]:
    """Yield a finding if connections to AuthGate are not kept open, because its upstream has no `keepalive`."""
    http = asked.server.parent
    address = re.fullmatch(r"https?://([^/:]+)(?::\d+)?(?:/.*)?", target(asked))
    if address is None or http is None or address[1] == "unix":
        return
    for upstream in http.own("upstream"):
        if upstream.arguments[:1] == (address[1],):
            if not any(inner.name == "keepalive" for inner in upstream.block or ()):
                yield _at(asked, _NOT_KEPT, "keepalive 32;", upstream, is_error=False)
            return
    message = f"{_NOT_KEPT}: {address[1]} is an address, not an `upstream`"
    yield _at(asked, message, "upstream authgate { server HOST:PORT; keepalive 32; } in http {}", is_error=False)


def _at(asked: Level, message: str, fix: str, line: Directive | None = None, *, is_error: bool) -> Finding:
    place = line or asked.directive
    return Finding(file=place.file, line=place.line, subject=asked.subject, message=message, fix=fix, is_error=is_error)
