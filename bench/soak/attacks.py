"""The attackers of the soak: REQUESTS through nginx, HEADS at the auth port, CONNECTIONS at any port.

No attacker may get anything by it: the upstream must never see another identity than the sender's.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import struct
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from bench.soak.issuers import APP, RANDOM, Person, bearer, cookie_of, sign_es256, sign_hs256
from bench.soak.users import (
    HOST,
    SITE,
    Client,
    Request,
    WrongIdentity,
)
from tests.support.tokens import b64

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from bench.soak.users import Tally, World

# -- attacks through nginx --------------------------------------------------------------------------------------------

MALLORY = Person("mallory", roles=("admin",))
_KEY = ec.generate_private_key(ec.SECP256R1())
_REFUSED = (400, 401, 403)
_ENDED_SECONDS = 8  # an answer of the store is cached for 5 s


def _unsigned(world: World, count: int) -> str:
    """Return a token with a made-up signature and *count* numbers, which take long to parse."""
    claims = f'{{"iss":"{world.issuers.url}","n":[{",".join(f"1e{n % 300}" for n in range(count))}]}}'
    return ".".join(map(b64, (b'{"alg":"ES256"}', claims.encode(), os.urandom(64))))


def _jwe(size_bytes: int) -> str:
    """Return a made-up JWE, as Auth.js encrypts its sessions."""
    parts = (b"", os.urandom(16), os.urandom(size_bytes // 16 * 16), os.urandom(32))
    return ".".join([b64(b'{"alg":"dir","enc":"A256CBC-HS512"}'), *map(b64, parts)])


def _forged(world: World) -> Request:
    lines = {
        sign_hs256(MALLORY.claims(APP), secrets.token_bytes(48)),
        sign_hs256(MALLORY.claims(world.issuers.url), world.issuers.public_pem(), kid=world.issuers.signing),
        sign_es256(MALLORY.claims(world.issuers.url), _KEY, world.issuers.signing),
        sign_es256(MALLORY.claims(world.issuers.url), _KEY, None),
        sign_hs256(MALLORY.claims("https://evil.example"), world.issuers.app_secret),
    }
    return Request("/api/tasks", (bearer(RANDOM.choice(sorted(lines))),), (401,))


def _no_algorithm(_: World) -> Request:
    name = RANDOM.choice(["none", "None", "nOnE", ""])
    token = f"{b64(json.dumps({'alg': name}).encode())}.{b64(json.dumps(MALLORY.claims(APP)).encode())}."
    return Request("/api/admin/users", (bearer(token),), (401,))


def _expired(world: World) -> Request:
    return Request("/api/tasks", (bearer(world.issuers.expired_token),), (401,))


def _unknown_key(world: World) -> Request:
    token = sign_es256(MALLORY.claims(world.issuers.url), _KEY, secrets.token_hex(8))
    return Request("/api/tasks", (bearer(token),), (401,))


def _withdrawn_key(world: World) -> Request | None:
    name, key = world.issuers.withdrawn
    if not name:
        return None
    return Request("/api/tasks", (bearer(sign_es256(MALLORY.claims(world.issuers.url), key, name)),), (401,))


def _revoked(world: World) -> Request | None:
    if not world.issuers.revoked or time.monotonic() - world.issuers.revoked[0][0] < _ENDED_SECONDS:
        return None
    session_token = world.issuers.revoked.popleft()[1]
    line = RANDOM.choice([bearer(session_token), cookie_of(session_token, world.issuers.web_secret)])
    return Request("/api/tasks", (line,), (401, 503))


def _made_up(_: World) -> Request:
    return Request("/api/tasks", (bearer(secrets.token_urlsafe(24)),), (401, 503))  # 503: too many wait


def _wrong_signature(_: World) -> Request:
    return Request("/api/tasks", (cookie_of(secrets.token_urlsafe(24), secrets.token_bytes(32)),), (401,))


def _same_named(world: World) -> Request:
    tokens = [sign_es256(MALLORY.claims(world.issuers.url), _KEY, None) for _ in range(RANDOM.choice([2, 4, 20]))]
    return Request("/api/tasks", ("Cookie: " + "; ".join(f"access_token={token}" for token in tokens),), _REFUSED)


def _heavy(world: World) -> Request:
    line = RANDOM.choice(
        [
            "Cookie: " + ";" * 19_000,
            "Cookie: " + "; access_token" * 1_300,
            "Cookie: " + "; ".join(["a.session-token=1"] * 1_000),
            bearer(_unsigned(world, 2_000)),
            f"Cookie: authjs.session-token={_jwe(12_000)}",
            bearer("." * 16_000),
            "Cookie: " + "x" * 30_000,
        ]
    )
    return Request("/api/tasks", (line,), _REFUSED)


# AuthGate refuses those that contradict what the proxy says of the request.
_SPOOFS = (
    *("X-User-Id: mallory", "x-user-id: mallory\r\nX-USER-ID: root", "X_User_Id: mallory", "X-User-Id-: mallory"),
    *("X-User-Roles: admin", "Connection: X-User-Id\r\nX-User-Id: mallory", "X-Forwarded-User: mallory"),
    *("X-Original-URL: https://app.example.com/healthz", "X-Original-Method: OPTIONS", "X-Forwarded-For: 127.0.0.1"),
    *("X-Forwarded-Uri: /healthz", "X-HTTP-Method-Override: DELETE", "Upgrade: h2c", "Forwarded: for=127.0.0.1"),
)


def _spoofed(world: World) -> Request:
    spoof = RANDOM.choice(_SPOOFS)
    line, person = world.alice.credential(), world.alice.person
    return RANDOM.choice(
        [
            Request("/api/public/about", (spoof,), (200, 403)),
            Request("/healthz", (spoof,)),
            Request("/api/tasks", (spoof,), _REFUSED),
            Request("/api/admin/users", (spoof, line), (403,)),
            Request("/api/tasks", (spoof, line), (200, 403), person),
        ]
    )


_PATHS = (
    *("/api/public/../admin/users", "/api/public/%2e%2e/admin/users", "/api/public/..%2fadmin/users"),
    *("/api/public/..;/admin/x", "/api//admin/x", "/api/public/%252e%252e/admin/x", "/api/./tasks", "/api\\tasks"),
    *("/api/public/%00", "/api/public/%ff", "/api/public%5c..%5cadmin", "/healthz/../api/tasks", "/api/public#/tasks"),
    *("/healthz;/../api/tasks", "/api/public%2f..%2f..%2fapi%2fx", "http://other.example/api/tasks", "/api/ADMIN/x"),
)


def _path(_: World) -> Request:
    return Request(RANDOM.choice(_PATHS), statuses=(*_REFUSED, 404))


def _cross_site(world: World) -> Request | None:
    token = next(iter(world.issuers.sessions), "")
    lines = (cookie_of(token, world.issuers.web_secret), "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
    # 401: the session has ended meanwhile
    return Request("/api/tasks", lines, (401, 403), method="POST") if token else None


REQUESTS: dict[str, Callable[[World], Request | None]] = {
    "forged signature": _forged,
    "alg none": _no_algorithm,
    "expired token": _expired,
    "unknown key id": _unknown_key,
    "key that was withdrawn": _withdrawn_key,
    "session that ended": _revoked,
    "made-up session token": _made_up,
    "cookie with a wrong signature": _wrong_signature,
    "cookies of one name": _same_named,
    "heavy head, 16 to 30 KB": _heavy,
    "spoofed header": _spoofed,
    "path trick": _path,
    "cross-site POST": _cross_site,
}
BURST = 300  # 256 may wait: docs/sessions.md
BURST_KIND = f"{BURST} made-up session tokens at once"
BURST_SECONDS = 15
# More clients than one, each at an address of its own.
_CLIENTS = {"made-up session token": 6, "unknown key id": 2}


async def attack(world: World, kind: str, address: str, tally: Tally) -> None:
    """Send one request of *kind* after another through nginx, and check that none gets anything by it."""
    client = Client(world.nginx, address)
    while True:
        request = REQUESTS[kind](world)
        if request is not None:
            status, body = await client.ask(request.head())
            tally.add(kind, request, status, body)
        await asyncio.sleep(RANDOM.uniform(0.02, 0.1))


async def burst(world: World, address: str, tally: Tally) -> None:
    """Send more made-up session tokens at once than may wait for the store, again and again."""
    while True:
        clients = [Client(world.nginx, address) for _ in range(BURST)]
        request = _made_up(world)
        for status, body in await asyncio.gather(*(client.ask(_made_up(world).head()) for client in clients)):
            tally.add(BURST_KIND, request, status, body)
        for client in clients:
            client.close()
        await asyncio.sleep(BURST_SECONDS)


# -- attacks at AuthGate's own ports ----------------------------------------------------------------------------------

_SUBREQUEST = f"GET /auth/nginx HTTP/1.1\r\nHost: a\r\nX-Original-Method: GET\r\nX-Original-URL: {APP}/api/tasks\r\n"
# What fits into the 64 KiB that AuthGate reads, and through a proxy with larger buffers than the shipped nginx has.
HEADS: dict[str, Callable[[World], str]] = {
    "60 KB of ; in Cookie": lambda _: "Cookie: " + ";" * 60_000,
    "JWE of 45 KB": lambda _: f"Cookie: authjs.session-token={_jwe(33_000)}",
    "4 cookies of 14 KB of JSON": lambda world: (
        "Cookie: " + "; ".join(f"access_token={_unsigned(world, 2_000)}" for _ in range(4))
    ),
    "60 KB of X-Forwarded-For": lambda _: "X-Forwarded-For: " + ",".join(["10.0.0.1"] * 6_600),
    "245 more headers": lambda _: "\r\n".join(f"X_{n}!~: 1" for n in range(245)),
    "head of 100 KB": lambda _: "X-A: " + "a" * 100_000,
}


async def send_heads(world: World, kind: str, address: str, tally: Tally) -> None:
    """Send one head of *kind* after another to the auth port. AuthGate must not allow any."""
    client = Client(world.auth, address)
    request = Request("/api/tasks", statuses=(400, 401, 403, 431, 0))  # 0: a head that is too long may meet a reset
    name = f"{kind}, {'from a proxy' if address == HOST else 'not from a proxy'}"
    while True:
        status, _ = await client.ask(f"{_SUBREQUEST}{HEADS[kind](world)}\r\n\r\n".encode())
        if status == 200:
            raise WrongIdentity(f"{name}: AuthGate allowed it")
        tally.add(name, request, status, b"")
        await asyncio.sleep(RANDOM.uniform(0.2, 0.5))


@asynccontextmanager
async def _connection(port: int, address: str) -> AsyncIterator[socket.socket]:
    """Open a connection with a small buffer. At the end it is reset: its peer need not wait for it."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        opened.setblocking(False)  # noqa: FBT003 - positional only
        opened.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(opened, (HOST, port))
        yield opened


async def _silent(port: int, address: str) -> None:
    async with _connection(port, address):
        await asyncio.sleep(RANDOM.uniform(1, 15))


async def _slow_head(port: int, address: str) -> None:
    async with _connection(port, address) as opened:
        for byte in _SUBREQUEST.encode()[:60]:
            opened.send(bytes([byte]))
            await asyncio.sleep(0.25)


async def _never_read(port: int, address: str, *, head: str) -> None:
    pipeline = left = f"{head}\r\n".encode() * (54_000 // len(head))
    async with _connection(port, address) as opened:
        for _ in range(RANDOM.randint(4, 60)):
            with suppress(BlockingIOError):
                left = left[opened.send(left) :] or pipeline
            await asyncio.sleep(0.25)


async def _gone(port: int, address: str, *, head: str) -> None:
    async with _connection(port, address) as opened:
        opened.send(head.encode()[: RANDOM.choice([20, len(head)])])
        await asyncio.sleep(RANDOM.uniform(0, 0.02))


async def _garbage(port: int, address: str) -> None:
    async with _connection(port, address) as opened:
        opened.send(RANDOM.choice([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 900, b"GET\r\n\r\n"]))
        await asyncio.sleep(0.2)


async def _ask_once(port: int, address: str, *, head: str) -> None:
    client = Client(port, address)
    await client.ask(f"{head}\r\n".encode())
    client.close()


_METRICS = "GET /metrics HTTP/1.1\r\nHost: a\r\n"
_GONE = f"GET /api/tasks HTTP/1.1\r\nHost: {SITE}\r\n{bearer('s' * 32)}\r\n\r\n"
# By port: name, what one connection does, how many of them run, and how long each rests between two connections.
Behavior = tuple["Callable[[int, str], Awaitable[None]]", int, float]
CONNECTIONS: dict[str, dict[str, Behavior]] = {
    "auth": {
        "silent": (_silent, 40, 0.0),
        "slow head": (_slow_head, 20, 0.0),
        "pipeline never read": (partial(_never_read, head=_SUBREQUEST), 20, 0.0),
        "gone in the middle": (partial(_gone, head=f"{_SUBREQUEST}\r\n"), 2, 0.1),
        "not HTTP": (_garbage, 1, 0.3),
    },
    "auth, as a proxy": {
        "pipeline never read": (partial(_never_read, head=_SUBREQUEST), 2, 0.0),
        "gone in the middle": (partial(_gone, head=f"{_SUBREQUEST}\r\n"), 2, 0.1),
    },
    "admin": {
        "silent": (_silent, 80, 0.0),
        "slow head": (_slow_head, 10, 0.0),
        "/metrics never read": (partial(_never_read, head=_METRICS), 20, 0.0),
        "flood of /metrics": (partial(_ask_once, head=_METRICS), 4, 0.05),
        "not HTTP": (_garbage, 1, 0.3),
    },
    "nginx": {
        "silent": (_silent, 20, 0.0),
        "slow head": (_slow_head, 10, 0.0),
        "gone in the middle": (partial(_gone, head=_GONE), 4, 0.1),
        "not HTTP": (_garbage, 1, 0.3),
    },
}


async def connect(port: int, address: str, behavior: Behavior, kind: str, tally: Tally) -> None:
    """Make one connection after another that behaves badly. The server may end it at any time."""
    run, _, rest_seconds = behavior
    while True:
        tally.sent[kind] += 1
        with suppress(OSError):
            await run(port, address)
        await asyncio.sleep(rest_seconds + 0.01)


def attackers(world: World, tally: Tally) -> list[Coroutine[Any, Any, None]]:
    """Return all attackers, each a coroutine that never ends by itself, with an address for each kind."""
    last_bytes = iter(range(1, 250))

    def address() -> str:
        return f"127.66.0.{next(last_bytes)}"

    found = [attack(world, kind, address(), tally) for kind in REQUESTS for _ in range(_CLIENTS.get(kind, 1))]
    found.append(burst(world, address(), tally))
    found += [send_heads(world, kind, sender, tally) for kind in HEADS for sender in (HOST, address())]
    ports = {"auth": world.auth, "auth, as a proxy": world.auth, "admin": world.admin, "nginx": world.nginx}
    for port, kinds in CONNECTIONS.items():
        for kind, behavior in kinds.items():
            sender = HOST if port == "auth, as a proxy" else address()
            found += [connect(ports[port], sender, behavior, f"{port}: {kind}", tally) for _ in range(behavior[1])]
    return found
