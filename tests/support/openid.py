"""A real OpenID provider (oidc-provider), an application that signs people in there, and people without a browser.

npm installs both programs once, and Node runs them.

with openid_provider(tmp_path) as provider:
    tokens = provider.signs_in("ada")           # the code flow over HTTP, without a browser
    tokens["access_token"]                      # a JWT for TASKS
    provider.rotate()                           # the next token is signed with a new key
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from tests.support.browser import PASSWORD, CookieJar
from tests.support.client import Answer, ask
from tests.support.node import installed, node
from tests.support.processes import ROOT, free_port, running
from tests.support.tokens import b64

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SOURCE = ROOT / "tests" / "openid"
LIFETIME_SECONDS = 3600

# Resources (RFC 8707). Each is the audience of its access tokens.
TASKS, BILLING = "https://tasks.example.com", "https://billing.example.com"
RESOURCES = {TASKS: "tasks:read tasks:write reports:read", BILLING: "billing:read"}
# Clients: the application, one of somebody else that may use the same resources, and a program.
WEB, FOREIGN, MACHINE = "tasks-web", "somebody-elses-web", "nightly-report"
ACCOUNTS = {
    "ada": {"id": "user-4711", "claims": {"email": "ada@example.com", "name": "Ada", "roles": ["admin", "editor"]}},
    "ben": {"id": "user-4712", "claims": {"email": "ben@example.com", "name": "Ben", "roles": ["reader"]}},
}


class OpenIdProvider:
    """A running provider."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.url = f"http://127.0.0.1:{port}"
        """The issuer's identifier: `iss`, and where discovery starts."""

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        answer = self._ask("/.well-known/openid-configuration")
        assert answer.status == 200, answer
        return dict(answer.json)

    def published(self) -> list[str]:
        """Return the ids of the published keys. The first one signs."""
        answer = self._ask(urlsplit(self.metadata()["jwks_uri"]).path)
        return [key["kid"] for key in answer.json["keys"]]

    def signs_in(
        self, name: str, *, client: str = WEB, scope: str = "openid email tasks:read tasks:write", resource: str = TASKS
    ) -> dict[str, Any]:
        """Sign in with a password in a new browser and return the tokens of the code. *resource* may be empty."""
        target = {"resource": resource} if resource else {}
        verifier = secrets.token_urlsafe(32)
        asked = {
            "client_id": client,
            "redirect_uri": _callback(client),
            "response_type": "code",
            "scope": scope,
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": b64(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **target,
        }
        came_back = self._gives_password(f"{self.metadata()['authorization_endpoint']}?{urlencode(asked)}", name)
        assert came_back["state"] == asked["state"]
        return self.tokens(
            client,
            grant_type="authorization_code",
            code=came_back["code"],
            code_verifier=verifier,
            redirect_uri=asked["redirect_uri"],
            **target,
        )

    def _gives_password(self, location: str, name: str) -> dict[str, str]:
        """Follow redirects from *location* through the sign-in page and return the query of the client's callback."""
        jar = CookieJar()
        form = {"name": name, "password": PASSWORD}
        while location.startswith(self.url):
            answer = self._visits(location, jar)
            if answer.status == 200:
                answer = self._visits(location, jar, form)
            assert answer.status == 303, answer
            location = urljoin(location, answer.header("Location"))
        return {field: value for field, (value,) in parse_qs(urlsplit(location).query).items()}

    def _visits(self, location: str, jar: CookieJar, form: Mapping[str, str] | None = None) -> Answer:
        target = location.removeprefix(self.url)
        answer = self._ask(target, f"Cookie: {jar}", form=form) if str(jar) else self._ask(target, form=form)
        jar.take(answer)
        return answer

    def tokens(self, client: str, **form: str) -> dict[str, Any]:
        """Return the answer of the token endpoint to *client*."""
        proof = base64.b64encode(f"{client}:{_secret(client)}".encode()).decode()
        path = urlsplit(self.metadata()["token_endpoint"]).path
        answer = self._ask(path, f"Authorization: Basic {proof}", form=form)
        assert answer.status == 200, answer
        return dict(answer.json)

    def machine_token(self, *, scope: str = "reports:read", resource: str = TASKS) -> str:
        """Return an access token of the program, which no user signed in to (RFC 6749 §4.4)."""
        answer = self.tokens(MACHINE, grant_type="client_credentials", scope=scope, resource=resource)
        return str(answer["access_token"])

    def rotate(self) -> None:
        """Sign with a new key from now on. The old keys are still published."""
        self._tell("rotate")

    def withdraw_old_keys(self) -> None:
        """Publish only the key that signs."""
        self._tell("withdraw")

    @contextmanager
    def lifetime(self, seconds: int) -> Iterator[None]:
        """Make access tokens that live for *seconds* while the context lasts. Usually they live for an hour."""
        with self._setting("lifetime", seconds, usually=LIFETIME_SECONDS):
            yield

    @contextmanager
    def last_password(self, seconds_ago: int) -> Iterator[None]:
        """Say of people who sign in while the context lasts that they gave their password *seconds_ago*."""
        with self._setting("password-ago", seconds_ago, usually=0):
            yield

    @contextmanager
    def _setting(self, switch: str, seconds: int, *, usually: int) -> Iterator[None]:
        self._tell(switch, seconds=seconds)
        try:
            yield
        finally:
            self._tell(switch, seconds=usually)

    def _tell(self, switch: str, **how: Any) -> None:
        answer = ask(self._port, f"/test/{switch}", method="POST", body=json.dumps(how).encode())
        assert answer.status == 200, answer

    def _ask(self, path: str, *headers: str, form: Mapping[str, str] | None = None) -> Answer:
        host = f"127.0.0.1:{self._port}"
        if form is None:
            return ask(self._port, path, *headers, host=host)
        lines = (*headers, "Content-Type: application/x-www-form-urlencoded")
        return ask(self._port, path, *lines, host=host, method="POST", body=urlencode(form).encode())


def _callback(client: str) -> str:
    return f"https://{client}.example.com/callback"


def _secret(client: str) -> str:
    return f"the-secret-of-{client}"


@contextmanager
def openid_provider(folder: Path, *, application: str = "https://app.example.com") -> Iterator[OpenIdProvider]:
    """Run a provider with one key. *application* is the origin of the relying party."""
    port = free_port()
    provider = OpenIdProvider(port)
    options = {
        "issuer": provider.url,
        "clients": [
            _client(WEB, f"{application}/auth/callback", signed_out=f"{application}/auth/signed-out"),
            _client(FOREIGN),
            _client(MACHINE, grants=("client_credentials",)),
        ],
        "resources": RESOURCES,
        "accounts": {name: {"password": PASSWORD, **account} for name, account in ACCOUNTS.items()},
    }
    with _run(folder, "provider", port, options):
        yield provider


def _client(
    name: str, *callbacks: str, signed_out: str = "", grants: Sequence[str] = ("authorization_code", "refresh_token")
) -> dict[str, Any]:
    """Return the metadata of a client (OpenID Connect Dynamic Client Registration 1.0 §2)."""
    by_code = "authorization_code" in grants
    return {
        "client_id": name,
        "client_secret": _secret(name),
        "grant_types": grants,
        "response_types": ["code"] if by_code else [],
        "redirect_uris": [_callback(name), *callbacks] if by_code else [],
        "post_logout_redirect_uris": [signed_out] if signed_out else [],
    }


@contextmanager
def relying_party(folder: Path, provider: OpenIdProvider, *, origin: str) -> Iterator[int]:
    """Run the application that signs people in at *provider*. Yield its port. *origin* is its address in browsers."""
    port = free_port()
    options = {
        "issuer": provider.url,
        "origin": origin,
        "client_id": WEB,
        "client_secret": _secret(WEB),
        "scope": "openid email tasks:read",
        "resource": TASKS,
    }
    with _run(folder, "relying_party", port, options):
        yield port


def by_discovery(provider: OpenIdProvider, **changes: Any) -> dict[str, Any]:
    """Return the configuration of *provider* as an issuer of access tokens for `TASKS`; a None leaves a setting out."""
    settings = {
        "name": "sso",
        "preset": "jwt",
        "issuer": provider.url,
        "discovery": True,
        "allow_http": True,
        "audiences": [TASKS],
        "require_claims": {"client_id": [WEB, MACHINE]},
        **changes,
    }
    return {name: value for name, value in settings.items() if value is not None}


@contextmanager
def _run(folder: Path, name: str, port: int, options: Mapping[str, Any]) -> Iterator[None]:
    """Run a program of tests/openid from a copy in *folder*, with a link to the packages that it imports."""
    place = folder / "openid"
    if not place.exists():
        shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns("node_modules"))
        (place / "node_modules").symlink_to(installed(SOURCE))
    environ = {"PORT": str(port), "OPTIONS": json.dumps(options)}
    with running([node(), place / f"{name}.mjs"], folder / f"{name}.log", port=port, environ=environ):
        yield
