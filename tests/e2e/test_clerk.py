"""Clerk's session cookies behind nginx, on the files that `authgate proxy` writes for its preset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.presets.providers.clerk import cookie_suffix
from tests.support import processes, sites
from tests.support.client import ask
from tests.support.e2e import sound
from tests.support.provider import KEY_ID, Provider
from tests.support.tokens import mint, public_jwk

if TYPE_CHECKING:
    from collections.abc import Iterator

CLERK = Provider("clerk")
(ISSUER,) = CLERK.configuration()["issuers"]
ORIGIN = ISSUER["authorized_parties"][0]
COOKIE = f"__session_{cookie_suffix(ISSUER['publishable_key'])}"


def session(**changes: Any) -> str:
    claims = {"iss": "https://clerk.example.com", "sid": "sess_1", "sts": "active", "azp": ORIGIN, "aud": None, "v": 2}
    return mint(sound(**claims | changes), algorithm="RS256", header={"kid": KEY_ID})


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("nginx")
    keys = folder / "jwks.json"
    keys.write_text(json.dumps({"keys": [public_jwk("RS256", KEY_ID)]}))
    config = yaml.safe_dump(CLERK.configuration({"jwks_file": str(keys)}))
    with (
        processes.echo(folder) as upstream,
        processes.authgate(folder, config) as authgate,
        sites.site("nginx", folder, authgate, {}, [sites.Route("", upstream, "strips")]) as ports,
    ):
        yield ports.http1


@pytest.mark.parametrize("name", [COOKIE, "__session"])
@pytest.mark.parametrize("line", ["{}", "theme=dark; {}", "{}; theme=dark"])
def test_a_user_arrives_with_an_id_and_without_the_session(port: int, name: str, line: str) -> None:
    token = session(metadata={"roles": ["admin"]})
    answer = ask(port, "/", f"Cookie: {line.format(f'{name}={token}')}")
    assert answer.status == 200, answer
    seen = {header.lower(): value for header, value in answer.json["headers"]}
    assert (seen["x-user-id"], seen["x-user-roles"]) == ("user-1", "admin")
    assert seen.get("cookie", "").strip("; ") == ("theme=dark" if "theme" in line else "")
    assert token not in str(seen)


def test_the_session_of_another_application_beside_it_does_not_arrive_either(port: int) -> None:
    other = session(iss="https://clerk.example.org")
    answer = ask(port, "/", f"Cookie: __session={other}; {COOKIE}={session()}")
    assert answer.status == 200, answer
    assert other not in str(answer.json["headers"])


@pytest.mark.parametrize(
    "claims", [{"azp": "https://evil.example.com"}, {"sts": "pending"}, {"iss": "https://clerk.example.org"}], ids=str
)
def test_other_sessions_are_refused(port: int, claims: dict[str, str]) -> None:
    assert ask(port, "/", f"Cookie: {COOKIE}={session(**claims)}").status == 401


@pytest.mark.parametrize(("site", "status"), [("same-origin", 200), ("cross-site", 403)])
def test_another_site_cannot_use_the_session(port: int, site: str, status: int) -> None:
    headers = (f"Cookie: {COOKIE}={session()}", f"Sec-Fetch-Site: {site}", "Origin: https://evil.example")
    assert ask(port, "/", *headers, method="POST", body=b"{}").status == status
