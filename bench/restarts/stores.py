"""The stores that are restarted, each a real server with one session for each user. The key server is one of them."""

from __future__ import annotations

import json
import secrets
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.serving import HOST
from tests.support import postgres as pg
from tests.support import redis_server as rd
from tests.support.get_session import COOKIE, PATH, SECRET
from tests.support.issuer import SigningKey
from tests.support.processes import free_port, running, wait_for_port
from tests.support.server_process import ServerProcess
from tests.support.session_cookies import cookie_line, session, signed, user
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

ISSUER, AUDIENCE = "https://idp.example.com", "tasks"
# The lowest that AuthGate takes. Its default is 10.
COOLDOWN_SECONDS = 1


def _nothing() -> None:
    pass


@dataclass
class Store:
    """A running store. A client sends its header of *lines*, by its number; *strangers* have no session.

    *issuer* returns AuthGate's settings for the store at a port, with `cache_seconds`. The *servers* fail by turns.
    *meanwhile* is called in each failure. AuthGate answers 503 with *reason* while it cannot ask.
    """

    name: str
    servers: tuple[ServerProcess, ...]
    lines: list[str]
    strangers: list[str]
    issuer: Callable[[int, float], dict[str, Any]]
    reason: str = "sessions_unavailable"
    cache_seconds: tuple[float, ...] = (0, 5)
    meanwhile: Callable[[], None] = _nothing
    pause_seconds: float = 0.2  # between two failures, after AuthGate has recovered

    @property
    def port(self) -> int:
        """Where AuthGate finds the store."""
        return self.servers[0].port


@dataclass
class _Sessions:
    """A session for each of *users*, and cookies without one for *strangers*."""

    users: list[str]
    strangers: int
    tokens: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = [secrets.token_urlsafe(24) for _ in self.users]

    def lines(self) -> dict[str, list[str]]:
        """Return the headers of users and strangers, by these names."""
        invented = [secrets.token_urlsafe(24) for _ in range(self.strangers)]
        return {"lines": list(map(_cookie, self.tokens)), "strangers": list(map(_cookie, invented))}

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return each session and its user, by token, as Better Auth writes them as JSON."""
        return {
            token: {
                "session": session(token, now=time.time(), userId=name),
                "user": user(id=name, email=email_of(name)),
            }
            for token, name in zip(self.tokens, self.users, strict=True)
        }

    def fill(self, server: pg.Postgres) -> None:
        """Make Better Auth's tables with these rows."""
        server.create_better_auth()
        server.execute(
            'INSERT INTO "user" ("id", "name", "email", "emailVerified") '
            "SELECT name, name, email, true FROM unnest($1::text[], $2::text[]) AS one (name, email)",
            self.users, list(map(email_of, self.users)),
        )  # fmt: skip
        server.execute(
            'INSERT INTO "session" ("id", "token", "userId", "updatedAt", "expiresAt") '
            "SELECT name, token, name, now(), now() + interval '7 days' "
            "FROM unnest($1::text[], $2::text[]) AS one (token, name)",
            self.tokens, self.users,
        )  # fmt: skip


def email_of(user_id: str) -> str:
    """Return the email address of a user."""
    return f"{user_id}@example.com"


def _cookie(token: str) -> str:
    return ": ".join(cookie_line(token=signed(token, SECRET), names=(COOKIE, "")))


def _better_auth(cache_seconds: float, **store: dict[str, str]) -> dict[str, Any]:
    sessions = {"check": "always", "cache_seconds": cache_seconds, **store}
    names = {"name": "app", "preset": "better-auth", "subject_prefix": "", "cookies": {"session_token": COOKIE}}
    return {**names, "secret": SECRET.decode(), "sessions": sessions}


def _jwt(jwks_url: str) -> dict[str, Any]:
    names = {"name": "app", "preset": "jwt", "issuer": ISSUER, "audiences": [AUDIENCE]}
    return {**names, "jwks_url": jwks_url, "allow_http": True, "cooldown_seconds": COOLDOWN_SECONDS}


def _dsn(port: int, query: str) -> str:
    return f"postgresql://{pg.READER}:{pg.READER_PASSWORD}@{HOST}:{port}/postgres?sslmode=disable{query}"


@contextmanager
def _postgres(_: Path, sessions: _Sessions) -> Iterator[Store]:
    with pg.postgres() as server:
        sessions.fill(server)
        yield Store(
            "PostgreSQL",
            (server,),
            **sessions.lines(),
            issuer=lambda port, cache: _better_auth(cache, postgres={"dsn": _dsn(port, "")}),
        )


@contextmanager
def _pooler(_: Path, sessions: _Sessions) -> Iterator[Store]:
    with pg.postgres() as server:
        sessions.fill(server)
        # After PgBouncer could not connect to its server, it refuses queries for this time. Its default is 15 s.
        with pg.pooler(server, settings="server_login_retry = 1\n") as pooler:
            yield Store(
                "PgBouncer and PostgreSQL by turns",
                (pooler, server),
                **sessions.lines(),
                issuer=lambda port, cache: _better_auth(cache, postgres={"dsn": _dsn(port, "&pgbouncer=true")}),
            )


@contextmanager
def _redis(_: Path, sessions: _Sessions) -> Iterator[Store]:
    with rd.redis_server() as server:
        for token, rows in sessions.rows().items():
            server.set(token, rows)
        login = f"{rd.READER}:{rd.READER_PASSWORD}"
        yield Store(
            "Redis",
            (server,),
            **sessions.lines(),
            issuer=lambda port, cache: _better_auth(cache, redis={"url": f"redis://{login}@{HOST}:{port}"}),
        )


@contextmanager
def _http(folder: Path, sessions: _Sessions) -> Iterator[Store]:
    file = folder / "sessions.json"
    file.write_text(json.dumps(sessions.rows()))
    with _served("get-session", folder, file) as server:
        yield Store(
            "Better Auth over HTTP",
            (server,),
            **sessions.lines(),
            issuer=lambda port, cache: (
                _better_auth(cache, http={"url": f"http://{HOST}:{port}{PATH}"}) | {"allow_http": True}
            ),
        )


class _Keys:
    """The keys of an issuer, in *file*. The first one stays; another one is replaced by each `rotate`.

    The users with even numbers have tokens by the first key, which never needs a load. The others get new tokens by
    each new key, which AuthGate must load first.
    """

    def __init__(self, file: Path, users: list[str]) -> None:
        self._file, self._users, self._rotations = file, users, 0
        self._first = SigningKey.new("first", "ES256")
        self.lines = [self._line(self._first, name) for name in users]
        self.rotate()

    def rotate(self) -> None:
        """Publish a new key, and sign new tokens with it."""
        self._rotations += 1
        newest = SigningKey.new(f"key-{self._rotations}", "ES256")
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"keys": [self._first.jwk, newest.jwk]}))
        new.replace(self._file)
        for number in range(1, len(self._users), 2):
            self.lines[number] = self._line(newest, self._users[number])

    def expired(self) -> str:
        """Return the header of a token that has expired."""
        return self._line(self._first, "nobody", seconds=-3600)

    def _line(self, key: SigningKey, name: str, seconds: int = 36_000) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": name, "email": email_of(name)}
        claims |= {"iat": now - 7200, "exp": now + seconds}
        return f"Authorization: Bearer {mint(claims, algorithm='ES256', key=key.private, header={'kid': key.key_id})}"


@contextmanager
def _key_server(folder: Path, sessions: _Sessions) -> Iterator[Store]:
    file = folder / "jwks.json"
    keys = _Keys(file, sessions.users)
    with _served("keys", folder, file) as server:
        yield Store(
            "Key server",
            (server,),
            lines=keys.lines,
            strangers=[keys.expired() for _ in range(sessions.strangers)],
            issuer=lambda port, _: _jwt(f"http://{HOST}:{port}/jwks"),
            reason="keys_unavailable",
            cache_seconds=(0,),
            meanwhile=keys.rotate,
            # A key that a load could not find, because it is newer, is unknown until the cooldown is over.
            pause_seconds=COOLDOWN_SECONDS + 0.5,
        )


class _Served(ServerProcess):
    """A server of served.py."""

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "bench.restarts.served", *self._options]
        self._main = self._life.enter_context(running(command, self.log))
        wait_for_port(self.port, self.main, self.log)


@contextmanager
def _served(kind: str, folder: Path, file: Path) -> Iterator[_Served]:
    port = free_port()
    server = _Served(folder, port, [kind, str(port), str(file)])
    try:
        server.start()
        yield server
    finally:
        server.close()


STORES: dict[str, Callable[[Path, _Sessions], AbstractContextManager[Store]]] = {
    "postgres": _postgres,
    "pgbouncer": _pooler,
    "redis": _redis,
    "http": _http,
    "keys": _key_server,
}


@contextmanager
def running_store(name: str, folder: Path, users: list[str], strangers: int) -> Iterator[Store]:
    """Run the store *name* with a session for each of *users*, while the context lasts."""
    with STORES[name](folder, _Sessions(users, strangers)) as store:
        yield store
