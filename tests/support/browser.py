"""A browser as Better Auth sees one: it keeps cookies, sends them unchanged, and has its user's password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.better_auth import BetterAuth
    from tests.support.client import Answer

PASSWORD = "a-password-of-the-tests"


class CookieJar:
    """The cookies of one host. Values are not decoded."""

    def __init__(self) -> None:
        self._cookies: dict[str, tuple[str, float | None]] = {}

    def take(self, answer: Answer) -> None:
        """Apply the Set-Cookie lines of *answer*: add, replace, or delete (Max-Age wins over Expires)."""
        for name, line in answer.headers:
            if name.lower() == "set-cookie":
                pair, *attributes = line.split(";")
                cookie, _, value = pair.strip().partition("=")
                self._cookies[cookie] = (value, _expiry(attributes))

    def __getitem__(self, name: str) -> str:
        return dict(self)[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._cookies[name] = (value, None)

    def __delitem__(self, name: str) -> None:
        del self._cookies[name]

    def __contains__(self, name: str) -> bool:
        return name in dict(self)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Return the cookies that have not expired, as (name, value)."""
        now = time.time()
        return iter([(name, value) for name, (value, over) in self._cookies.items() if over is None or now < over])

    def names(self) -> set[str]:
        return {name for name, _ in self}

    def __str__(self) -> str:
        """Return the value of the next request's Cookie header, empty without cookies."""
        return "; ".join(f"{name}={value}" for name, value in self)


def _expiry(attributes: list[str]) -> float | None:
    values = {
        name.strip().lower(): value.strip() for name, _, value in (attribute.partition("=") for attribute in attributes)
    }
    if "max-age" in values:
        return time.time() + int(values["max-age"]) if int(values["max-age"]) > 0 else 0.0
    return parsedate_to_datetime(values["expires"]).timestamp() if "expires" in values else None


class Browser:
    """A user or an administrator in a browser at Better Auth."""

    def __init__(self, server: BetterAuth) -> None:
        self._server = server
        self.jar = CookieJar()
        self.pending = False
        """Whether the last sign-in waits for a second factor."""
        self.user: dict[str, Any] = {}
        """The user who signed in last, as in Better Auth's answer."""
        self.raw_token = ""
        """The session's token as in the JSON of the sign-in, for the bearer plugin."""
        self.signed_token = ""
        """The same with its signature, as in the header set-auth-token: not percent-encoded."""

    @property
    def cookies(self) -> str:
        """The value of the next request's Cookie header."""
        return str(self.jar)

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request to Better Auth with this browser's cookies, and store the cookies of the answer."""
        lines = [f"Cookie: {self.jar}"] if self.cookies else []
        answer = self._server.ask(path, *lines, body=body)
        self.jar.take(answer)
        return answer

    def do(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request that must succeed, and return its JSON."""
        answer = self.ask(path, body)
        assert answer.status == 200, (path, answer)
        return answer.json

    def sign_up(self, email: str = "ada@example.com", *, role: str | None = None, **fields: Any) -> Browser:
        """Register a user, who is then signed in. A *role* is set in the database: visitors cannot choose one."""
        self._signed_in("/sign-up/email", {"email": email, "password": PASSWORD, "name": "Ada", **fields})
        if role is None:
            return self
        self._server.update_user(self.user["id"], role=role)
        return self.sign_in(email)

    def sign_in(self, email: str = "ada@example.com", *, remember: bool = True) -> Browser:
        """Sign in by password. `pending` is true if the user has a second factor."""
        return self._signed_in("/sign-in/email", {"email": email, "password": PASSWORD, "rememberMe": remember})

    def sign_in_anonymously(self) -> Browser:
        return self._signed_in("/sign-in/anonymous", {})

    def _signed_in(self, path: str, body: Mapping[str, Any]) -> Browser:
        answer = self.ask(path, body)
        assert answer.status == 200, (path, answer)
        self.pending = bool(answer.json.get("twoFactorRedirect"))
        if not self.pending:
            self.user = answer.json["user"]
            self.raw_token = answer.json["token"]
            self.signed_token = answer.header("set-auth-token") or ""
        return self

    def sign_out(self) -> None:
        self.do("/sign-out", {})

    def get_session(self, **query: str) -> Any:
        """Return the answer of get-session about these cookies, or None. It may set session_data."""
        return self.do(f"/get-session?{urlencode(query)}")

    def token(self) -> str:
        """Return a JWT of the JWT plugin."""
        return str(self.do("/token")["token"])

    def enable_two_factor(self) -> str:
        """Require a second factor at later sign-ins, and return its secret (RFC 6238, base32)."""
        uri = self.do("/two-factor/enable", {"password": PASSWORD})["totpURI"]
        (secret,) = parse_qs(urlsplit(uri).query)["secret"]
        self.give_second_factor(secret)
        return str(secret)

    def give_second_factor(self, secret: str) -> None:
        """Finish a pending sign-in with the current code."""
        answer = self.do("/two-factor/verify-totp", {"code": totp(secret, time.time())})
        self.pending = False
        self.user, self.raw_token = answer["user"], answer["token"]

    def create_organization(self, slug: str = "engines") -> str:
        """Create an organization, make it the session's active one, and return its id."""
        identifier = str(self.do("/organization/create", {"name": slug.title(), "slug": slug})["id"])
        self.do("/organization/set-active", {"organizationId": identifier})
        return identifier

    def revoke_other_sessions(self) -> None:
        self.do("/revoke-other-sessions", {})

    # These need the role admin.

    def ban(self, user_id: str) -> None:
        self.do("/admin/ban-user", {"userId": user_id, "banReason": "spam"})

    def unban(self, user_id: str) -> None:
        self.do("/admin/unban-user", {"userId": user_id})

    def impersonate(self, user_id: str) -> str:
        """Act as another user until `stop_impersonating`, and return the cookies."""
        self.user = self.do("/admin/impersonate-user", {"userId": user_id})["user"]
        return self.cookies

    def stop_impersonating(self) -> None:
        self.user = self.do("/admin/stop-impersonating", {})["user"]

    def set_role(self, user_id: str, role: str | list[str]) -> None:
        self.do("/admin/set-role", {"userId": user_id, "role": role})

    def revoke_sessions(self, user_id: str) -> None:
        """End every session of a user."""
        self.do("/admin/revoke-user-sessions", {"userId": user_id})


def totp(secret: str, now: float) -> str:
    """Return the six digits of *now* (RFC 6238: HMAC-SHA-1, 30 s)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(now) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"
