"""The two front ends of docs/two-applications.md, behind a real nginx: who passes at which host, and with what id."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support import documented
from tests.support.behind_proxies import running_proxies
from tests.support.client import ask, bearer
from tests.support.session_cookies import compact, cookie_line, payload, signed, user
from tests.support.tokens import OTHER_SECRET, SECRET, mint, public_jwk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.behind_proxies import Running

SHOP, ADMIN = "shop.example.com", "admin.example.com"
SECRETS = {SHOP: SECRET, ADMIN: OTHER_SECRET}
COOKIES = {SHOP: "__Secure-better-auth.session_", ADMIN: "__Secure-admin.session_"}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("two")
    config = yaml.safe_load(documented.blocks("docs/two-applications.md", "Two front ends", "yaml")[0])
    (folder / "keys.json").write_text(json.dumps({"keys": [public_jwk("ES256", "K1")]}))
    for issuer, secret in zip(config["issuers"], SECRETS.values(), strict=True):
        # The test has no front ends to ask for keys and sessions. Both sign JWTs with one key: only `iss` differs.
        issuer |= {"secret": secret.decode(), "jwks_file": str(folder / "keys.json"), "sessions": {"check": "never"}}
        del issuer["secret_file"]
    with running_proxies(folder, "nginx") as proxies, proxies.serve(folder, **config) as running:
        yield running


def session(host: str, role: str = "user") -> str:
    """Return the Cookie header of a session of user-1 at *host*."""
    now, secret = time.time(), SECRETS[host]
    names = (f"{COOKIES[host]}token", f"{COOKIES[host]}data")
    data = compact(payload(now, user=user(role=role)), expires_at=now + 300, secret=secret)
    return ": ".join(cookie_line(data, token=signed(secret=secret), names=names))


def jwt(host: str, role: str = "user", sub: str = "user-1") -> str:
    """Return the line of a JWT that the front end at *host* made."""
    now, origin = int(time.time()), f"https://{host}"
    claims = {"iss": origin, "aud": origin, "sub": sub, "role": role, "iat": now, "exp": now + 300}
    return bearer(mint(claims, algorithm="ES256", header={"kid": "K1"}))


# The host, the credentials, the status, and the user id that arrives or the reason of the refusal.
REQUESTS: dict[str, tuple[str, Callable[[], list[str]], int, str]] = {
    "a session at its host": (SHOP, lambda: [session(SHOP)], 200, "user-1"),
    "the same id at the other host": (ADMIN, lambda: [session(ADMIN, "admin")], 200, "admin:user-1"),
    "a JWT at its host": (SHOP, lambda: [jwt(SHOP)], 200, "user-1"),
    "a JWT at the other host": (ADMIN, lambda: [jwt(ADMIN, "admin")], 200, "admin:user-1"),
    "the shop's JWT at the other host": (ADMIN, lambda: [jwt(SHOP, "admin")], 403, "forbidden"),
    "an administrator in the shop": (SHOP, lambda: [jwt(ADMIN, "admin")], 403, "forbidden"),
    "the shop's session is not read": (ADMIN, lambda: [session(SHOP, "admin")], 401, "no_credential"),
    "both sessions, for admin": (ADMIN, lambda: [session(SHOP), session(ADMIN, "admin")], 200, "admin:user-1"),
    "both sessions, for the shop": (SHOP, lambda: [session(ADMIN, "admin"), session(SHOP)], 200, "user-1"),
    "not an administrator": (ADMIN, lambda: [session(ADMIN)], 403, "forbidden"),
    "an administrator's id": (SHOP, lambda: [jwt(SHOP, sub="admin:user-1")], 403, "foreign_subject"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_each_host_knows_its_own_users(nginx: Running, name: str) -> None:
    host, credentials, status, who = REQUESTS[name]
    first, *more = credentials()
    line = "; ".join([first, *(cookies.removeprefix("Cookie: ") for cookies in more)])
    answer = ask(nginx.ports["nginx"], "/api/echo", line, "X-User-Id: root", host=host)
    assert answer.status == status, answer
    if status == 200:
        assert [value for name, value in answer.json["headers"] if name.lower() == "x-user-id"] == [who]
    else:
        assert answer.json["reason"] == who
