"""Clients send a token with other words around it, or in another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import explained
from tests.support.tokens import SECRET, b64, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = f"""
issuers:
  - {{name: api, preset: jwt, audiences: any, secret: "{SECRET.decode()}"}}
"""
URL = "https://api.example.com/ws"
TOKEN = mint()
COOKIE = f"access_token={TOKEN}"
SUBPROTOCOL = f"base64url.bearer.authorization.k8s.io.{b64(TOKEN.encode())}, chat"

ANSWERS: dict[str, tuple[dict[str, str], str]] = {
    "a cookie, bare": ({"Cookie": COOKIE}, "200"),
    "a cookie, plain": ({"Cookie": f"access_token=Bearer {TOKEN}"}, "200"),
    "a cookie, quoted": ({"Cookie": f'access_token="Bearer {TOKEN}"'}, "200"),
    "a cookie, encoded": ({"Cookie": f"access_token=Bearer%20{TOKEN}"}, "200"),
    "a cookie, encoded as in forms": ({"Cookie": f"access_token=bearer+{TOKEN}"}, "200"),
    "Basic beside a cookie": ({"Authorization": "Basic c3RhZ2luZzpzdGFnaW5n", "Cookie": COOKIE}, "200"),
    "a lower-case scheme and two spaces": ({"Authorization": f"bearer  {TOKEN}"}, "200"),
    "undefined": ({"Authorization": "Bearer undefined", "Cookie": COOKIE}, "401 malformed_token"),
    "no scheme": ({"Authorization": TOKEN}, "401 no_credential"),
    "the scheme JWT": ({"Authorization": f"JWT {TOKEN}"}, "401 no_credential"),
    "the scheme Token": ({"Authorization": f"Token {TOKEN}"}, "401 no_credential"),
    "a subprotocol": ({"Sec-WebSocket-Protocol": SUBPROTOCOL, "Upgrade": "websocket"}, "401 no_credential"),
}


@pytest.mark.parametrize(("headers", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_the_first_place_that_holds_a_token_decides(tmp_path: Path, headers: dict[str, str], answer: str) -> None:
    decided = explained(tmp_path, CONFIG, headers)
    assert (decided.answer, decided.headers.get("X-User-Id")) == (answer, "user-1" if answer == "200" else None)
    if "Authorization" in headers and answer == "401 no_credential":
        assert "'Bearer <token>'" in decided.text


def test_a_token_in_the_query_is_not_read(tmp_path: Path) -> None:
    assert explained(tmp_path, CONFIG, {}, url=f"{URL}?access_token={TOKEN}").answer == "401 no_credential"


GOOGLE = "https://cloud.google.com/iap"
GOOGLE_TOKEN = mint(claims(iss=GOOGLE, aud="/projects/1/backendServices/2", sub="accounts.google.com:117"))
CLOUDFLARE = "https://team.cloudflareaccess.com"
USER, SERVICE = (mint(claims(iss=CLOUDFLARE, aud=["tag"], **who)) for who in ({}, {"sub": "", "common_name": "svc"}))
IAP = (GOOGLE, "/projects/1/backendServices/2", "{header: X-Goog-IAP-JWT-Assertion}")
ACCESS = (CLOUDFLARE, "tag", "{header: Cf-Access-Jwt-Assertion}, {cookie: CF_Authorization}")

# The issuer with its audience and its places, the headers, and the answer or X-User-Id.
OWN_PLACES: dict[str, tuple[tuple[str, str, str], dict[str, str], str]] = {
    "Google's header": (IAP, {"X-Goog-IAP-JWT-Assertion": GOOGLE_TOKEN}, "accounts.google.com:117"),
    "Google's token elsewhere": (IAP, {"Authorization": f"Bearer {GOOGLE_TOKEN}"}, "401 no_credential"),
    "Cloudflare's header beside its cookie": (
        ACCESS, {"Cf-Access-Jwt-Assertion": USER, "Cookie": f"CF_Authorization={SERVICE}"}, "user-1"),
    "Cloudflare's cookie": (ACCESS, {"Cookie": f"CF_Authorization={USER}"}, "user-1"),
    "a service at Cloudflare": (ACCESS, {"Cf-Access-Jwt-Assertion": SERVICE}, "svc"),
    "a bad header beside a good cookie": (
        ACCESS, {"Cf-Access-Jwt-Assertion": "x", "Cookie": f"CF_Authorization={USER}"}, "401 malformed_token"),
}  # fmt: skip


def signing_in(issuer: tuple[str, str, str]) -> str:
    """Return a configuration with this issuer, audience and places."""
    iss, audience, places = issuer
    return f"""
issuers:
  - {{name: idp, preset: jwt, issuer: "{iss}", audiences: [{audience}], secret: "{SECRET.decode()}",
     identity: {{subject: [sub, common_name]}}}}
credentials: [{places}]
"""


@pytest.mark.parametrize(("issuer", "headers", "expected"), OWN_PLACES.values(), ids=OWN_PLACES)
def test_a_proxy_that_signs_users_in_has_places_of_its_own(
    tmp_path: Path, issuer: tuple[str, str, str], headers: dict[str, str], expected: str
) -> None:
    decided = explained(tmp_path, signing_in(issuer), headers)
    assert decided.headers.get("X-User-Id", decided.answer) == expected


@pytest.mark.parametrize(
    "csrf", ["", "csrf: {allowed_origins: [https://www.example.com]}\n"], ids=["default", "allowed"]
)
@pytest.mark.parametrize(
    ("site", "origin", "is_own"),
    [("same-origin", "https://api.example.com", True), ("cross-site", "https://www.example.com", False)],
)
def test_a_header_that_the_proxy_fills_from_its_cookie_counts_as_a_cookie(
    tmp_path: Path, site: str, origin: str, csrf: str, *, is_own: bool
) -> None:
    sent = {"Cf-Access-Jwt-Assertion": USER, "Sec-Fetch-Site": site, "Origin": origin}
    decided = explained(tmp_path, signing_in(ACCESS) + csrf, sent, method="POST")
    assert decided.answer == ("200" if is_own or csrf else "403 csrf")
