"""Heads of subrequests: those that proxies send, and the same with mutations, for tests of the fast lane."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from tests.support.tokens import OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOW = int(time.time())
YEAR = 365 * 86400
VALID = mint(claims(sub="ada", aud="tasks", iat=NOW, exp=NOW + YEAR))
STAFF = mint(claims(sub="bob", aud="tasks", roles=["staff"], iat=NOW, exp=NOW + YEAR))
EXPIRED = mint(claims(aud="tasks", iat=NOW - YEAR, exp=NOW - YEAR + 1))
OTHERS = mint(claims(aud="tasks", iat=NOW, exp=NOW + YEAR), key=OTHER_SECRET)
UNKNOWN_KEY = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IksyIn0."
    + mint(claims(iss="https://issuer.example", aud="tasks", iat=NOW, exp=NOW + YEAR)).partition(".")[2]
)
CREDENTIALS = {
    "valid": f"Authorization: Bearer {VALID}",
    "staff": f"authorization: bearer {STAFF}",
    "cookie": f"Cookie: theme=dark; access_token={VALID}; lang=en",
    "expired": f"Authorization: Bearer {EXPIRED}",
    "bad signature": f"Authorization: Bearer {OTHERS}",
    "needs a lookup": f"Authorization: Bearer {UNKNOWN_KEY}",
    "garbage": "Authorization: Bearer not.a.token",
    "basic": "Authorization: Basic YTpi",
    "none": "Accept-Language: en",
}
URIS = ("/", "/public/page?x=1", "/staff/", "/api/v1/tasks/17?sort=%C3%A4", "/public/..;/staff/", "/a//b", "//a", "")
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding: gzip, deflate, br",
    'Sec-CH-UA: "Chromium";v="140", "Not=A?Brand";v="24"',
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Upgrade-Insecure-Requests: 1",
    "Referer: https://app.example.com/",
)


def nginx(uri: str, credential: str) -> list[str]:
    return [
        *("GET /auth/nginx HTTP/1.1", "X-Original-Method: GET", f"X-Original-URL: https://app.example.com{uri}"),
        *("X-Request-ID: 0123456789", "X-Forwarded-For: 192.0.2.7", "Host: authgate:4190", *BROWSER, credential),
    ]


def nginx_closes(uri: str, credential: str) -> list[str]:
    return [*nginx(uri, credential)[:6], "Connection: close", credential]


def traefik(uri: str, credential: str) -> list[str]:
    return [
        *("GET /auth/traefik HTTP/1.1", "Host: authgate:4190", *BROWSER, "X-Forwarded-For: 192.0.2.7", credential),
        *("X-Forwarded-Host: app.example.com", "X-Forwarded-Method: GET", "X-Forwarded-Port: 443"),
        *("X-Forwarded-Proto: https", "X-Forwarded-Server: edge", f"X-Forwarded-Uri: {uri}", "X-Request-Id: req-1"),
    ]


def caddy(uri: str, credential: str) -> list[str]:
    return [
        *("GET /auth/caddy HTTP/1.1", "Host: authgate:4190", "User-Agent: curl/8.14.1", "Accept: */*", credential),
        *("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: app.example.com", "X-Forwarded-Method: POST"),
        *("X-Forwarded-Proto: https", f"X-Forwarded-Uri: {uri}", "X-Request-Id: req-2"),
    ]


PROXIES = (nginx, nginx_closes, traefik, caddy)


class Head(NamedTuple):
    """The *lines* of a head, and what follows it."""

    lines: list[str]
    after: str = ""
    end: str = "\r\n"

    @property
    def raw(self) -> bytes:
        return (self.end.join([*self.lines, "", ""]) + self.after).encode("latin-1")


plain_heads = st.builds(
    lambda proxy, uri, credential: Head(proxy(uri, credential)),
    st.sampled_from(PROXIES),
    st.sampled_from(URIS),
    st.sampled_from([*CREDENTIALS.values()]),
)

# -- mutations: each takes a head and a number, and returns the head with one difference ---------------------------

EXTRA = (
    *("Content-Length: 0", "Content-Length: 00", "Content-Length: 5", "Content-Length: +0", "content-length: 0, 0"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked"),
    *("Expect: 100-continue", "Expect: nothing", "Upgrade: websocket", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    *("Connection: keep-alive", "Connection: close", "Connection: Keep-Alive", "Connection: CLOSE", "Connection: "),
    *("Connection: upgrade", "Connection: x-user-id", "Connection: keep-alive, close", "Keep-Alive: timeout=5"),
    *(
        "Connection: keep-alive, Upgrade",
        "Proxy-Connection: close",
        "TE: trailers",
        "Trailer: x",
        "Sec-WebSocket-Key1: a",
    ),
    *("Content-Encoding: gzip", "Content-Encoding: unheard-of", "Content-Type: text/plain", "Host: other.example"),
    *("X-Request-Id: second", "X-User-Id: admin", "X_User_Id: admin", "x-original-url: https://other.example/"),
    *(
        "X-Original-Method: POST",
        "X-Forwarded-Method: DELETE",
        "X-Forwarded-Uri: /staff/",
        "X-Forwarded-For: 203.0.113.9",
    ),
    *("Cookie: a=b", "Authorization: Bearer other", "User-Agent: AuthGate/0.1.0", "Origin: https://other.example"),
    *(
        "X: ",
        "X:",
        "X:y",
        "X:  y",
        "X: y ",
        "X: \ty",
        "X: y\t",
        "X : y",
        " X: y",
        "\tX: y",
        ": y",
        "X",
        "",
        " ",
        "X-: y",
    ),
    *(
        "-X: y",
        "X--Y: z",
        "X_Y: z",
        "X.Y: z",
        "X\xe9: y",
        "X: \xe9",
        "X: \x00",
        "X: \x7f",
        "X: \x01",
        "X: a\tb",
        "X: a: b",
    ),
    *("X: a\rb", "X: a\nb", "X: a\n b", "X: a\r\n b", "X: a\r\n\tb", "X: a\r\n", "\xef\xbc\xb8: y"),
    "X: " + "y" * 1500,
    "X: " + "y" * 4000,
    "X" * 300 + ": y",
    *("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Access-Control-Request-Method: PUT"),
)
REQUEST_LINES = (
    *(
        "HEAD /auth/nginx HTTP/1.1",
        "POST /auth/nginx HTTP/1.1",
        "OPTIONS /auth/caddy HTTP/1.1",
        "get /auth/nginx HTTP/1.1",
    ),
    *("GET /auth/nginx HTTP/1.0", "GET /auth/nginx HTTP/0.9", "GET /auth/nginx HTTP/2.0", "GET /auth/nginx", "GET"),
    *("GET /auth/nginx?x=1 HTTP/1.1", "GET /auth/nginx/ HTTP/1.1", "GET //auth/nginx HTTP/1.1", "GET /auth/x HTTP/1.1"),
    *("GET /auth/nginx#x HTTP/1.1", "GET /auth/%6eginx HTTP/1.1", "GET http://a/auth/nginx HTTP/1.1", "GET * HTTP/1.1"),
    *(
        "GET  /auth/nginx HTTP/1.1",
        "GET /auth/nginx  HTTP/1.1",
        "GET /auth/nginx HTTP/1.1 ",
        " GET /auth/nginx HTTP/1.1",
    ),
    *("GET\t/auth/nginx\tHTTP/1.1", "GET /auth/nginx http/1.1", "GET /auth/nginx HTTP/1.1\r", "CONNECT a:1 HTTP/1.1"),
    *(
        "GET /auth/nginx HTTP/1.10",
        "GET /auth/nginx HTTP/1.",
        "GET /auth/traefik HTTP/1.1",
        "GET / HTTP/1.1",
        "",
        "\r\n",
    ),
    *("GET /auth/caddy HTTP/1.1\nX: y", "GET /auth/nginx;x HTTP/1.1", "GET /auth/NGINX HTTP/1.1", "PRI * HTTP/2.0"),
)
AFTER = (
    *("hello", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "\r\n", "\n", "\r", " ", "\x00", "GET /auth/", "x" * 3000),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
CHARACTERS = (
    "\r",
    "\n",
    "\0",
    "\t",
    " ",
    ":",
    "\x7f",
    "\x80",
    "\xff",
    "\x0b",
    "\x85",
    "\xa0",
    ",",
    '"',
    "-",
    "_",
    "\x1c",
)


def at(number: int, length: int) -> int:
    return 1 + number % max(1, length - 1)


def with_line(head: Head, number: int) -> Head:
    place = at(number, len(head.lines) + 1)
    return head._replace(lines=[*head.lines[:place], EXTRA[number % len(EXTRA)], *head.lines[place:]])


def with_request_line(head: Head, number: int) -> Head:
    return head._replace(lines=[REQUEST_LINES[number % len(REQUEST_LINES)], *head.lines[1:]])


def with_line_twice(head: Head, number: int) -> Head:
    place = at(number, len(head.lines))
    return head._replace(lines=[*head.lines, *head.lines[place : place + 1]])


def without_line(head: Head, number: int) -> Head:
    place = at(number, len(head.lines))
    return head._replace(lines=[*head.lines[:place], *head.lines[place + 1 :]])


def changed_line(change: Callable[[str, int], str]) -> Callable[[Head, int], Head]:
    def changed(head: Head, number: int) -> Head:
        place = at(number, len(head.lines))
        lines = (change(line, number) if index == place else line for index, line in enumerate(head.lines))
        return head._replace(lines=[*lines])

    return changed


def other_case(line: str, number: int) -> str:
    name, colon, value = line.partition(":")
    return f"{(name.upper(), name.lower(), name.swapcase())[number % 3]}{colon}{value}"


def with_character(line: str, number: int) -> str:
    place = number % (len(line) + 1)
    return f"{line[:place]}{CHARACTERS[number % len(CHARACTERS)]}{line[place:]}"


def without_character(line: str, number: int) -> str:
    place = number % max(1, len(line))
    return f"{line[:place]}{line[place + 1 :]}"


def folded(line: str, number: int) -> str:
    place = number % (len(line) + 1)
    return f"{line[:place]}\r\n{(' ', chr(9))[number % 2]}{line[place:]}"


def other_space(line: str, number: int) -> str:
    name, _, value = line.partition(": ")
    return f"{name}{(':', ' :', ':  ', ':' + chr(9), ' : ')[number % 5]}{value}{('', ' ', chr(9))[number % 3]}"


def sorted_lines(head: Head, number: int) -> Head:
    first, *others = head.lines
    return head._replace(lines=[first, *sorted(others, key=lambda line: hash_of(line, number))])


def hash_of(line: str, number: int) -> int:
    return sum(map(ord, line)) * (number + 1) % 101


def with_other_ends(head: Head, number: int) -> Head:
    return head._replace(end=("\n", "\r", "\n\r", "\r\r\n")[number % 4])


def with_more(head: Head, number: int) -> Head:
    return head._replace(after=AFTER[number % len(AFTER)])


MUTATIONS = (
    *(with_line, with_line, with_line, with_request_line, with_line_twice, without_line, changed_line(other_case)),
    *(changed_line(with_character), changed_line(with_character), changed_line(without_character)),
    *(changed_line(folded), changed_line(other_space), sorted_lines, with_other_ends, with_more),
)
changes = st.lists(st.tuples(st.sampled_from(MUTATIONS), st.integers(0, 10_000)), min_size=0, max_size=3)


def mutated(head: Head, applied: Sequence[tuple[Callable[[Head, int], Head], int]]) -> bytes:
    for mutation, number in applied:
        head = mutation(head, number)
    return head.raw


heads = st.builds(mutated, plain_heads, changes)
cuts = st.lists(st.integers(0, 3000), max_size=4)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [*sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
