"""Cloudflare Access in front of nginx, Traefik and Caddy, on the files that `authgate proxy` writes for its preset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import processes, sites
from tests.support.client import Answer, ask
from tests.support.e2e import sound
from tests.support.provider import KEY_ID, Provider
from tests.support.tokens import mint, public_jwk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ACCESS = Provider("cloudflare-access")
HEADER, COOKIE = "Cf-Access-Jwt-Assertion", "CF_Authorization"
SERVICE_ID = "e367826f93b8d71185e03fe518aff3b4.access"


def assertion(**changes: Any) -> str:
    (issuer,) = ACCESS.configuration()["issuers"]
    claims = {"iss": f"https://{issuer['team']}.cloudflareaccess.com", "aud": issuer["audiences"], "type": "app"}
    return mint(sound(**claims | changes), algorithm="RS256", header={"kid": KEY_ID})


@pytest.fixture(scope="module", params=["nginx", "traefik", "caddy"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp(request.param)
    keys = folder / "jwks.json"
    keys.write_text(json.dumps({"keys": [public_jwk("RS256", KEY_ID)], "public_cert": {"kid": KEY_ID, "cert": "…"}}))
    config = yaml.safe_dump(ACCESS.configuration({"jwks_file": str(keys)}))
    with (
        processes.echo(folder) as upstream,
        processes.authgate(folder, config) as authgate,
        sites.site(request.param, folder, authgate, {}, [sites.Route("", upstream, "strips")]) as ports,
    ):
        yield ports.http1


def arrived(answer: Answer) -> Mapping[str, str]:
    """Return the headers with which the request arrived at the upstream."""
    assert answer.status == 200, answer
    return {name.lower(): value for name, value in answer.json["headers"]}


def test_a_user_arrives_with_an_id_and_without_the_token(port: int) -> None:
    token = assertion(email="ada@example.com", custom={"groups": ["admins"]})
    seen = arrived(ask(port, "/", f"{HEADER}: {token}", f"Cookie: {COOKIE}={token}", "Authorization: Basic eDp5"))
    assert seen["x-user-id"] == "user-1"
    assert seen["x-user-email"] == "ada@example.com"
    assert seen["x-user-roles"] == "admins"
    assert token not in str(seen)


def test_a_service_token_arrives_as_its_client_id(port: int) -> None:
    token = assertion(sub="", common_name=SERVICE_ID, email=None)
    seen = arrived(ask(port, "/", f"{HEADER}: {token}", "X-User-Id: user-1", method="POST", body=b"{}"))
    assert seen["x-user-id"] == SERVICE_ID


def test_the_cookie_alone_is_enough(port: int) -> None:
    assert arrived(ask(port, "/", f"Cookie: theme=dark; {COOKIE}={assertion()}"))["x-user-id"] == "user-1"


REFUSED: dict[str, tuple[Callable[[], str], int]] = {
    "none": (lambda: "", 401),
    "forged": (lambda: f"{HEADER}: {mint(sound())}", 401),
    "a certificate": (lambda: f"{HEADER}: {assertion(sub='', common_name='user-1')}", 401),
    "another application's": (lambda: f"{HEADER}: {assertion(aud=['0' * 64])}", 401),
}


@pytest.mark.parametrize(("header", "status"), REFUSED.values(), ids=REFUSED)
def test_other_assertions_are_refused(port: int, header: Callable[[], str], status: int) -> None:
    line = header()
    assert ask(port, "/", *([line] if line else [])).status == status


@pytest.mark.parametrize(("site", "status"), [("same-origin", 200), ("cross-site", 403)])
def test_another_site_cannot_use_the_header_that_cloudflare_fills(port: int, site: str, status: int) -> None:
    headers = (f"{HEADER}: {assertion()}", f"Sec-Fetch-Site: {site}", "Origin: https://evil.example")
    assert ask(port, "/", *headers, method="POST", body=b"{}").status == status
