"""The request heads that wrk sends: subrequests as the shipped nginx sends them (deploy/nginx/authgate_server.conf)."""

from __future__ import annotations

_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# Ten header lines with the credential: what nginx sets, and what every browser sends.
_SHORT = (
    "Host: authgate",
    "X-Original-Method: GET",
    "X-Original-URL: https://app.example.com/api/v1/tasks?page=2",
    "X-Forwarded-For: 203.0.113.7",
    "X-Request-Id: 7b1e0f6c2d9a4e58b3c1d2e4f5a69788",
    f"User-Agent: {_BROWSER}",
    "Accept: application/json",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-US,en;q=0.5",
)
# Sixteen header lines with the credential. URL, client and request id are another one in each request: wrk.lua puts
# numbers into them.
_REALISTIC = (
    "Host: authgate",
    "X-Original-Method: GET",
    "X-Original-URL: https://app.example.com/api/v1/tasks/%d?page=%d",
    "X-Forwarded-For: 203.0.113.%d",
    "X-Request-Id: %08x%08x%08x%08x",
    f"User-Agent: {_BROWSER}",
    "Accept: application/json",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://app.example.com/tasks",
    "Sec-Fetch-Dest: empty",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=4",
    "Cookie: theme=dark; _ga=GA1.1.1043254987.1764086400; consent=1",
)
# What a client sends to a proxy.
_CLIENT = ("Host: app.example.com", *_SHORT[5:])


def subrequest(*lines: str, target: str = "/auth/nginx") -> str:
    """Return a head with the usual header lines and these *lines*."""
    return _head(target, (*_SHORT, *lines))


def realistic(*lines: str) -> str:
    """Return a head for wrk.lua's mode "vary", with these *lines*."""
    return _head("/auth/nginx", (*_REALISTIC, *(line.replace("%", "%%") for line in lines)))


def client_request(target: str, *lines: str) -> str:
    """Return the head of a client's request to a proxy."""
    return _head(target, (*_CLIENT, *lines))


def bearer(token: str) -> str:
    """Return the header line that carries *token*."""
    return f"Authorization: Bearer {token}"


def _head(target: str, lines: tuple[str, ...]) -> str:
    return "\r\n".join((f"GET {target} HTTP/1.1", *lines, "", ""))
