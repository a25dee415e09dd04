"""`authgate mint`: the token is what was asked for, and this configuration accepts it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands
from tests.support.issuer import running_issuer
from tests.support.tokens import SECRET, public_jwk

if TYPE_CHECKING:
    from pathlib import Path


def explained(token: str, *arguments: object) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(commands.authgate("explain", "--json", *arguments, stdin=token).stdout)
    return result


def claims_in(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_a_minted_token_is_allowed(config_file: Path) -> None:
    token = commands.authgate(
        "mint", "--config", config_file, "--sub", "u1", "--claim", "name=Ada", "--claim", 'roles=["a","b"]'
    ).stdout
    decision = explained(token, "--config", config_file)
    assert decision["outcome"] == "allow"
    assert decision["headers"] == {"X-User-Id": "u1", "X-User-Email": "", "X-User-Name": "Ada", "X-User-Roles": "a,b"}


def test_email_and_roles_reach_the_upstream() -> None:
    token = commands.authgate("mint", "--sub", "u1", "--email", "ada@example.com", "--role", "a", "--role", "b").stdout
    headers = explained(token)["headers"]
    assert headers == {"X-User-Id": "u1", "X-User-Email": "ada@example.com", "X-User-Name": "", "X-User-Roles": "a,b"}
    assert claims_in(token)["roles"] == ["a", "b"]


def test_scopes_are_one_claim_with_spaces() -> None:
    token = commands.authgate("mint", "--sub", "u1", "--scope", "reports:read", "--scope", "reports:run").stdout
    assert claims_in(token)["scope"] == "reports:read reports:run"


def test_without_email_and_roles_the_token_has_no_such_claims() -> None:
    assert claims_in(commands.authgate("mint", "--sub", "u1").stdout).keys() == {"sub", "iat", "exp", "aud"}


def test_the_claims_are_those_that_the_configuration_reads_and_demands(tmp_path: Path) -> None:
    config = tmp_path / "authgate.yaml"
    config.write_text(
        f"""
issuers:
  - name: django
    preset: jwt
    audiences: any
    secret: {SECRET.decode()}
    identity: {{subject: user_id, roles: [realm_access.roles, roles], scopes: scp}}
    require_claims: {{azp: [tasks-web, other], tenant.plan: pro, realm_access.kind: 1}}
    required_claims: [exp, device]
"""
    )
    arguments = ("mint", "--config", config, "--sub", "42", "--role", "admin", "--scope", "tasks:read")
    made = commands.authgate(*arguments, "--claim", "device=phone")
    assert made.stderr == ""
    decision = explained(made.stdout, "--config", config)
    assert (decision["outcome"], decision["headers"]["X-User-Id"], decision["headers"]["X-User-Roles"]) == (
        "allow",
        "42",
        "admin",
    )
    claims = claims_in(made.stdout)
    assert claims | {"iat": 0, "exp": 0} == {
        "user_id": "42",
        "realm_access": {"roles": ["admin"], "kind": 1},
        "scp": "tasks:read",
        "azp": "tasks-web",
        "tenant": {"plan": "pro"},
        "device": "phone",
        "iat": 0,
        "exp": 0,
    }


def test_a_token_that_the_configuration_refuses_is_printed_with_the_reason() -> None:
    made = commands.authgate("mint", "--sub", "u1", "--claim", "aud=other")
    assert explained(made.stdout)["reason"] == "wrong_audience"
    assert "This configuration refuses the token: its aud is 'other'; accepted: tasks." in made.stderr


@pytest.mark.parametrize(("lifetime", "reason"), [("-5m", "expired"), ("90s", None), ("7d", None)])
def test_a_minted_token_lives_as_long_as_it_was_asked_to(lifetime: str, reason: str | None) -> None:
    assert explained(commands.authgate("mint", "--sub", "u1", "--expires-in", lifetime).stdout)["reason"] == reason


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--sub", "u", "--expires-in", "soon"], "a number and a unit"),
        (["--sub", "u", "--claim", "novalue"], "NAME=VALUE"),
        ([], "'--sub'"),
        (["--sub", ""], "must not be empty"),
        (["--sub", "u", "--email", ""], "must not be empty"),
        (["--sub", "u", "--role", "a", "--role", ""], "must not be empty"),
        (["--sub", "u", "--role", "a", "--claim", "roles=b"], "the claim roles is given twice"),
        (["--sub", "u", "--scope", "a", "--claim", "scope=b"], "the claim scope is given twice"),
        (["--sub", "u", "--email", "a@b", "--claim", "email=b"], "the claim email is given twice"),
        (["--sub", "u", "--issuer", "x"], "--issuer: jwt"),
    ],
)
def test_mint_explains_bad_arguments(arguments: list[str], part: str) -> None:
    ended = commands.authgate("mint", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert part in ended.stderr
    assert "Traceback" not in ended.stderr


def test_mint_cannot_sign_with_a_public_key(tmp_path: Path) -> None:
    keys, config = tmp_path / "jwks.json", tmp_path / "c.yaml"
    keys.write_text(json.dumps(public_jwk("ES256")))
    config.write_text(f"issuers: [{{name: a, preset: jwt, jwks_file: {keys}, audiences: any}}]\n")
    ended = commands.authgate("mint", "--config", config, "--sub", "u")
    assert ended.returncode == 2
    assert "issuer of preset jwt with a shared secret" in ended.stderr


def test_mint_asks_which_of_several_issuers_is_meant(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "issuers:\n"
        + "".join(
            f"  - {{name: {name}, preset: jwt, secret: '{SECRET.decode()}-{name}', issuer: {name}, audiences: any, "
            f"subject_prefix: '{prefix}'}}\n"
            for name, prefix in (("first", ""), ("second", "second:"))
        )
    )
    ended = commands.authgate("mint", "--config", config, "--sub", "u")
    assert (ended.returncode, "--issuer: first, second" in ended.stderr) == (2, True)
    token = commands.authgate("mint", "--config", config, "--sub", "u", "--issuer", "second").stdout
    assert claims_in(token)["iss"] == "second"
    foreign = commands.authgate("mint", "--config", config, "--sub", "second:u", "--issuer", "first")
    assert (foreign.returncode, foreign.stdout) == (2, "")
    assert "its user id 'second:u' begins with that of another issuer" in " ".join(foreign.stderr.split())


def test_mint_does_not_need_the_keys_of_an_issuer_by_url(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as remote:
        config = tmp_path / "c.yaml"
        config.write_text(
            "issuers:\n"
            f"  - {{name: app, preset: jwt, issuer: '{remote.url}', jwks_url: '{remote.jwks_url}', allow_http: true, "
            "audiences: [tasks]}\n"
            f"  - {{name: local, preset: jwt, secret: {SECRET.decode()}, issuer: local, audiences: [tasks], "
            'subject_prefix: "local:"}\n'
        )
        ended = commands.authgate("mint", "--sub", "u1", "--config", config)
        assert remote.requests() == []
    assert (ended.returncode, ended.stderr) == (0, "The services get the user id local:u1.\n")
