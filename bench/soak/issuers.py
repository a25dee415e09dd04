"""The issuers of the soak's tokens and sessions, and the people that they know."""

from __future__ import annotations

import asyncio
import json
import math
import random
import secrets
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.session_cookies import authjs_cookie, cookie_line, session, signed, user
from tests.support.tokens import sign_raw

APP = "https://app.example.com"
AUDIENCE = "tasks"
TOKEN_SECONDS = 120
ADOPT_SECONDS = 3  # how long AuthGate may take to use the keys that it has fetched
RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Person:
    """A user, as the upstream must see them. *subject* is their id at their issuer, without its *prefix*."""

    subject: str
    prefix: str = ""
    roles: tuple[str, ...] = ("member",)

    @property
    def id(self) -> str:
        """The user's id for the upstream."""
        return f"{self.prefix}{self.subject}"

    def headers(self) -> dict[str, list[str]]:
        """Return the identity headers that the upstream must get."""
        values = {"id": self.id, "email": f"{self.subject}@example.com", "name": self.subject.title()}
        return {f"x-user-{name}": [value] for name, value in (values | {"roles": ",".join(self.roles)}).items()}

    def claims(self, issuer: str, lifetime_seconds: int = TOKEN_SECONDS) -> dict[str, Any]:
        """Return the claims of a new token."""
        now = int(time.time())
        profile = {"email": f"{self.subject}@example.com", "name": self.subject.title(), "roles": list(self.roles)}
        times = {"iat": now, "exp": now + lifetime_seconds}
        return {"iss": issuer, "aud": AUDIENCE, "sub": self.subject, "jti": secrets.token_hex(8), **profile, **times}


class Issuers:
    """The secrets of three applications, and what is at *url*: the keys of an identity provider, and the sessions.

    A new key signs once AuthGate has fetched it. The key before it stays published until the rotation after that.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.app_secret, self.web_secret, self.desk_secret = (secrets.token_urlsafe(48).encode() for _ in range(3))
        self.expired_token = sign_hs256(Person("mallory").claims(APP, -3600), self.app_secret)
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.signing = ""
        self.withdrawn = self._leaving = ("", ec.generate_private_key(ec.SECP256R1()))
        self.sessions: dict[str, Person] = {}
        self.revoked: deque[tuple[float, str]] = deque(maxlen=1000)
        self.fetches = self.lookups = 0
        self._idle: set[asyncio.StreamWriter] = set()
        self._adopted_at = -math.inf
        self.rotate()

    def rotate(self) -> None:
        """Publish a new key, and withdraw the one before the last. Does nothing while the last one is too new."""
        newest = next(reversed(self.keys), "")
        if self.signing != newest or time.monotonic() - self._adopted_at < 5:
            return
        for old in [name for name in self.keys if name != newest]:
            self._leaving = old, self.keys.pop(old)
        name = secrets.token_hex(4)
        self.keys[name] = ec.generate_private_key(ec.SECP256R1())
        self.signing = self.signing or name

    def token(self, person: Person) -> str:
        """Return a new token under the key in use."""
        return sign_es256(person.claims(self.url), self.keys[self.signing], self.signing)

    def sign_in(self, person: Person, before: str = "") -> str:
        """Return the token of a new session. The session *before* ends."""
        if self.sessions.pop(before, None):
            self.revoked.append((time.monotonic(), before))
        token = secrets.token_urlsafe(24)
        self.sessions[token] = person
        return token

    def public_pem(self) -> bytes:
        """Return the public half of the key in use."""
        return self.keys[self.signing].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def hang_up(self) -> None:
        """Close the idle connections that AuthGate keeps open to this server."""
        for writer in self._idle:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self._idle.discard(writer)
                answer = json.dumps(await self._answer(head)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))
                await writer.drain()
                self._idle.add(writer)
        self._idle.discard(writer)
        writer.close()

    async def _answer(self, head: str) -> object:
        if head.startswith("GET /jwks "):
            self.fetches += 1
            asyncio.get_running_loop().call_later(ADOPT_SECONDS, self._adopt, next(reversed(self.keys)), self._leaving)
            return {"keys": [public_jwk(name, key) for name, key in self.keys.items()]}
        self.lookups += 1
        await asyncio.sleep(RANDOM.uniform(0.005, 0.03))  # as a database answers
        cookie = unquote(head.partition("session_token=")[2].partition("\r\n")[0])
        token = cookie.partition(";")[0].rpartition(".")[0]
        person = self.sessions.get(token)
        if person is None:
            return None
        row = user(
            id=person.subject,
            name=person.subject.title(),
            email=f"{person.subject}@example.com",
            role=",".join(person.roles),
        )
        return {"session": session(token, now=time.time(), userId=person.subject), "user": row}

    def _adopt(self, name: str, left: tuple[str, ec.EllipticCurvePrivateKey]) -> None:
        self.withdrawn = left
        if self.signing != name and name in self.keys:
            self.signing, self._adopted_at = name, time.monotonic()


def public_jwk(name: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Return the public half of *key*, to publish."""
    jwk: dict[str, Any] = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    return jwk | {"kid": name, "alg": "ES256", "use": "sig"}


def sign_es256(claims: dict[str, Any], key: ec.EllipticCurvePrivateKey, key_id: str | None) -> str:
    """Return a token under *key* that names *key_id*, or no key."""
    header = {"alg": "ES256", "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    return sign_raw(json.dumps(header).encode(), json.dumps(claims).encode(), "ES256", key)


def sign_hs256(claims: dict[str, Any], secret: bytes, **header: str) -> str:
    """Return a token under *secret*."""
    return sign_raw(json.dumps({"alg": "HS256"} | header).encode(), json.dumps(claims).encode(), key=secret)


def bearer(token: str) -> str:
    """Return the header of *token*."""
    return f"Authorization: Bearer {token}"


def cookie_of(session_token: str, secret: bytes) -> str:
    """Return the Cookie header of a browser with this session."""
    return ": ".join(cookie_line(token=signed(session_token, secret)))


def encrypted_cookie_of(person: Person, secret: bytes) -> str:
    """Return the Cookie header of a browser with a session of Auth.js."""
    return f"Cookie: authjs.session-token={authjs_cookie(person.claims(APP), secret=secret)}"
