"""Tokens of a real OpenID provider (oidc-provider), through nginx. AuthGate finds the keys by discovery."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands, processes, sites
from tests.support.behind_proxies import Running
from tests.support.client import ask, bearer
from tests.support.openid import BILLING, FOREIGN, MACHINE, TASKS, WEB, OpenIdProvider, by_discovery, openid_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

HEADERS = {
    "X-User-Id": "subject",
    "X-User-Email": "email",
    "X-User-Roles": "roles",
    "X-User-Scopes": "scopes",
    "X-Client": "claims.client_id",
}
POLICIES = [
    {"name": "reports", "match": {"path": "/reports/**"}, "require": {"scopes": {"all_of": ["reports:read"]}}},
    {"name": "rest", "require": "signed_in"},
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with openid_provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with processes.echo(tmp_path_factory.mktemp("echo")) as port:
        yield port


@pytest.fixture(scope="module")
def api(provider: OpenIdProvider, upstream: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API that takes the access tokens of two clients."""
    with behind_nginx(tmp_path_factory.mktemp("api"), upstream, by_discovery(provider)) as running:
        yield running


def configuration(issuer: Mapping[str, Any]) -> str:
    settings = {"issuers": [issuer], "headers": HEADERS, "policies": POLICIES, "log": {"details": True}}
    return "\n".join(f"{name}: {json.dumps(value)}" for name, value in settings.items())


@contextmanager
def behind_nginx(folder: Path, upstream: int, issuer: Mapping[str, Any]) -> Iterator[Running]:
    """Run AuthGate with one issuer, and nginx on the files that `authgate proxy nginx` writes for it."""
    with (
        processes.authgate(folder, configuration(issuer)) as authgate,
        sites.site("nginx", folder, authgate, {}, [sites.Route("", upstream)]) as ports,
    ):
        yield Running(authgate, {"nginx": ports.http1})


def identity(running: Running, token: str) -> dict[str, str]:
    """Return the headers of `HEADERS` with which a request with *token* arrives. Empty ones do not."""
    answer = running.ask(token)
    assert answer.status == 200, answer
    arrived = {name.lower(): value for name, value in answer.json["headers"]}
    return {name: arrived[name.lower()] for name in HEADERS if arrived.get(name.lower())}


def test_a_user_who_signed_in_arrives_with_id_roles_and_scopes(provider: OpenIdProvider, api: Running) -> None:
    assert identity(api, provider.signs_in("ada")["access_token"]) == {
        "X-User-Id": "user-4711",
        "X-User-Roles": "admin,editor",
        "X-User-Scopes": "tasks:read,tasks:write",
        "X-Client": WEB,
    }
    assert identity(api, provider.signs_in("ben", scope="openid tasks:read")["access_token"]) == {
        "X-User-Id": "user-4712",
        "X-User-Roles": "reader",
        "X-User-Scopes": "tasks:read",
        "X-Client": WEB,
    }


def test_a_program_arrives_as_its_client_without_roles(provider: OpenIdProvider, api: Running) -> None:
    assert identity(api, provider.machine_token()) == {
        "X-User-Id": MACHINE,
        "X-User-Scopes": "reports:read",
        "X-Client": MACHINE,
    }


def test_a_scope_decides_who_reads_the_reports(provider: OpenIdProvider, api: Running) -> None:
    port = api.ports["nginx"]
    assert ask(port, "/reports/today", bearer(provider.machine_token())).status == 200
    assert ask(port, "/reports/today", bearer(provider.signs_in("ada")["access_token"])).status == 403


def test_a_refreshed_access_token_passes(provider: OpenIdProvider, api: Running) -> None:
    refresh_token = provider.signs_in("ada")["refresh_token"]
    renewed = provider.tokens(WEB, grant_type="refresh_token", refresh_token=refresh_token, resource=TASKS)
    assert identity(api, renewed["access_token"])["X-User-Id"] == "user-4711"


# Tokens that this provider makes and that are not for this API.
OTHERS: dict[str, tuple[Callable[[OpenIdProvider], str], str]] = {
    "ID token": (lambda provider: provider.signs_in("ada")["id_token"], "wrong_type"),
    "refresh token": (lambda provider: provider.signs_in("ada")["refresh_token"], "malformed_token"),
    "opaque access token": (
        lambda provider: provider.signs_in("ada", scope="openid", resource="")["access_token"],
        "malformed_token",
    ),
    "for another resource": (
        lambda provider: provider.signs_in("ada", scope="openid billing:read", resource=BILLING)["access_token"],
        "wrong_audience",
    ),
    "of a program for another resource": (
        lambda provider: provider.machine_token(scope="billing:read", resource=BILLING),
        "wrong_audience",
    ),
    "of a foreign client": (lambda provider: provider.signs_in("ada", client=FOREIGN)["access_token"], "wrong_claim"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_token_that_is_not_for_this_api_is_refused(provider: OpenIdProvider, api: Running, kind: str) -> None:
    made, reason = OTHERS[kind]
    answer = api.ask(made(provider))
    assert (answer.status, answer.json["reason"]) == (401, reason)


def test_an_api_for_id_tokens_takes_those_of_its_client_alone(
    provider: OpenIdProvider, upstream: int, tmp_path: Path
) -> None:
    for_id_tokens = by_discovery(provider, accept="id_token", audiences=[WEB], require_claims=None)
    with behind_nginx(tmp_path, upstream, for_id_tokens) as running:
        ada, foreign = (
            provider.signs_in("ada", client=client, scope="openid email profile tasks:read")
            for client in (WEB, FOREIGN)
        )
        assert identity(running, ada["id_token"]) == {
            "X-User-Id": "user-4711",
            "X-User-Email": "ada@example.com",
            "X-User-Roles": "admin,editor",
        }
        assert running.ask(foreign["id_token"]).json["reason"] == "wrong_audience"
        assert running.ask(ada["access_token"]).json["reason"] == "wrong_type"


def test_keys_rotate(provider: OpenIdProvider, upstream: int, tmp_path: Path) -> None:
    with behind_nginx(tmp_path, upstream, by_discovery(provider, refresh_seconds=1, cooldown_seconds=1)) as running:
        (first,) = provider.published()
        old, old_unseen = provider.machine_token(), provider.signs_in("ada")["access_token"]
        assert running.ask(old).status == 200
        provider.rotate()
        second, *published = provider.published()
        assert published == [first]
        assert running.ask(provider.machine_token()).status == 200, "at once, although AuthGate has never seen its key"
        assert [running.ask(token).status for token in (old, old_unseen)] == [200, 200], "its key is still published"
        provider.withdraw_old_keys()
        running.until(401, old, meanwhile={200})
        assert [running.ask(token).json["reason"] for token in (old, old_unseen)] == ["unknown_key"] * 2
        assert identity(running, provider.signs_in("ada")["access_token"])["X-User-Id"] == "user-4711"
        assert [key["key_id"] for key in running.report("sso")["keys"]] == [second]


def checked(folder: Path, issuer: Mapping[str, Any]) -> tuple[int, str]:
    """Return the exit code of `authgate check --fetch` and what it says, without line breaks."""
    path = folder / "authgate.yaml"
    path.write_text(configuration(issuer))
    ended = commands.authgate("check", "--fetch", "--config", path)
    return ended.returncode, " ".join(ended.stdout.replace("#", " ").split())


def test_check_proves_discovery(provider: OpenIdProvider, tmp_path: Path) -> None:
    code, said = checked(tmp_path, by_discovery(provider))
    assert code == 0, said
    assert f"issuer sso: 1 key from {provider.url}/jwks, by discovery of {provider.url} RS256 K" in said


def test_check_says_what_differs_if_the_issuer_has_a_slash_too_many(provider: OpenIdProvider, tmp_path: Path) -> None:
    code, said = checked(tmp_path, by_discovery(provider, issuer=f"{provider.url}/"))
    assert code == 1, said
    differs = f"its issuer is '{provider.url}', but the configured issuer is '{provider.url}/': remove the / at the end"
    assert differs in said


def test_check_says_where_it_looked_if_the_issuer_has_a_wrong_path(provider: OpenIdProvider, tmp_path: Path) -> None:
    code, said = checked(tmp_path, by_discovery(provider, issuer=f"{provider.url}/tenant"))
    assert code == 1, said
    assert f"{provider.url}/tenant/.well-known/openid-configuration answers 404" in said
