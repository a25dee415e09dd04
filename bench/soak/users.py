"""The users of the soak. Every answer to them is checked, and what arrives at the upstream.

Each user has a loopback address of their own, because AuthGate shares places among addresses.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.soak.issuers import (
    APP,
    RANDOM,
    TOKEN_SECONDS,
    Issuers,
    Person,
    bearer,
    cookie_of,
    encrypted_cookie_of,
    sign_hs256,
)
from tests.support.e2e import identity

HOST = "127.0.0.1"
SITE = "app.example.com"
ANSWER_SECONDS = 30
RENEW_SECONDS = TOKEN_SECONDS / 4


class WrongIdentity(Exception):
    """A request reached the upstream under another identity than its sender's. The soak ends at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to nginx. The upstream must see it as *person*'s, if it sees it at all."""

    path: str
    lines: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200,)
    person: Person | None = None
    method: str = "GET"
    host: str = SITE

    def head(self) -> bytes:
        """Return the bytes to send."""
        length = ("Content-Length: 0",) if self.method == "POST" else ()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {self.host}", *length, *self.lines, "", ""]
        return "\r\n".join(lines).encode("latin-1")


@dataclass
class Tally:
    """What was sent, by kind, and the answers by kind and status. *wrong* counts wrong answers.

    *seconds* has how long each answer took.
    """

    sent: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, kind: str, request: Request, status: int, body: bytes, seconds: float = 0.0) -> None:
        """Count and check an answer. Raises WrongIdentity if the upstream saw another user than it must."""
        self.sent[kind] += 1
        self.statuses.setdefault(kind, Counter())[status] += 1
        if seconds:
            self.seconds.append(seconds)
        if status == 200:
            seen = identity(json.loads(body))
            expected = request.person.headers() if request.person else {}
            if status not in request.statuses or seen != expected:
                raise WrongIdentity(f"{kind}: {request.method} {request.path} arrived as {seen}, not as {expected}")
        elif status not in request.statuses:
            self.wrong[f"{kind}: {request.method} {request.path} was answered with {status or 'nothing'}"] += 1


class Client:
    """A client at *address* with one connection to *port*. It keeps the connection open while the server does."""

    def __init__(self, port: int, address: str) -> None:
        self._port, self._address = port, address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, head: bytes) -> tuple[int, bytes]:
        """Send *head* and return status and body. Status 0: no answer."""
        was_open = self._streams is not None
        answer = await self._exchange(head)
        if answer[0] == 0 and was_open:  # the server had closed the idle connection
            answer = await self._exchange(head)
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, head: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(HOST, self._port, local_addr=(self._address, 0))
                reader, writer = self._streams
                writer.write(head)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0, b""
        if b"\r\nconnection: close" in answer:
            self.close()
        return int(answer[9:12]), body


@dataclass
class User:
    """A user with credentials of one *kind*. They send each credential for a while, and then get a new one."""

    kind: str
    person: Person
    issuers: Issuers
    _credential: str = ""
    _session: str = ""
    _renewed_at: float = 0.0
    _key: str = ""

    def credential(self) -> str:
        """Return the header that this user sends."""
        is_old = time.monotonic() - self._renewed_at > RENEW_SECONDS
        if is_old or (self.kind == ES256 and self._key != self.issuers.signing):
            self._renewed_at, self._key = time.monotonic(), self.issuers.signing
            self._credential = self._new()
        return self._credential

    def _new(self) -> str:
        if self.kind == HS256:
            return bearer(sign_hs256(self.person.claims(APP), self.issuers.app_secret))
        if self.kind == ES256:
            return bearer(self.issuers.token(self.person))
        if self.kind == JWE:
            return encrypted_cookie_of(self.person, self.issuers.desk_secret)
        self._session = self.issuers.sign_in(self.person, self._session)
        return cookie_of(self._session, self.issuers.web_secret) if self.kind == COOKIE else bearer(self._session)

    def requests(self) -> list[Request]:
        """Return what this user may ask next, each with what must come of it."""
        lines, person = (self.credential(),), self.person
        admin = (200,) if "admin" in person.roles else (403,)
        return [
            Request("/api/tasks", lines, person=person),
            Request("/api/tasks?page=2", (*lines, "Sec-Fetch-Site: same-origin"), person=person, method="POST"),
            Request(f"/api/users/{person.id}/files", lines, person=person),
            Request("/api/users/somebody-else/files", lines, (403,)),
            Request("/api/admin/users", lines, admin, person),
            Request("/api/optional/news", lines, person=person),
            Request("/api/v1/auth/me", lines, person=person),
            Request("/api/public/about", lines),
            Request("/healthz", lines),
        ]


@dataclass(frozen=True, slots=True)
class World:
    """Where everything listens, what the issuers know, and a user whose token attackers use beside spoofed headers."""

    issuers: Issuers
    alice: User
    nginx: int
    auth: int
    admin: int


HS256, ES256 = "token by secret (HS256)", "token by URL keys (ES256)"
COOKIE, RAW, JWE = "session cookie (Better Auth)", "raw session token (Better Auth)", "encrypted cookie (Auth.js)"
ANONYMOUS = "anonymous"
KINDS = (HS256, ES256, COOKIE, RAW, JWE, ANONYMOUS)
_ANONYMOUS_REQUESTS = [
    Request("/api/public/about"),
    Request("/api/optional/news"),
    Request("/healthz"),
    Request("/api/tasks", statuses=(401,)),
    Request("/api/tasks", ("Sec-Fetch-Mode: navigate", "Accept: text/html"), statuses=(401,)),
]


def users(issuers: Issuers, count: int) -> list[User]:
    """Return *count* users of each kind. Every third one is an administrator."""
    kinds = {HS256: "ann", ES256: "idp:ben", COOKIE: "web:cleo", RAW: "web:dan", JWE: "desk:eve"}
    found = []
    for number in range(count):
        for kind, name in kinds.items():
            prefix, colon, subject = name.rpartition(":")
            roles = ("member", "admin") if number % 3 == 0 else ("member",)
            found.append(User(kind, Person(f"{subject}-{number}", prefix + colon, roles), issuers))
    return found


async def behave(world: World, user: User | None, number: int, tally: Tally) -> None:
    """Send the requests of *user*, or of an anonymous visitor, one after the other, and check each answer."""
    client = Client(world.nginx, f"127.10.0.{number + 1}")
    while True:
        request = RANDOM.choice(user.requests() if user else _ANONYMOUS_REQUESTS)
        began = time.monotonic()
        status, body = await client.ask(request.head())
        tally.add(user.kind if user else ANONYMOUS, request, status, body, time.monotonic() - began)
        await asyncio.sleep(RANDOM.uniform(0.1, 0.5))
