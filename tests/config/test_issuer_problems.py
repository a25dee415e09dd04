"""Problems of one issuer: each mistake is reported once, with its setting, and no message quotes a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rejections import GOOD, OTHER, assert_only, jwt_file, rejected
from tests.support.session_settings import CANARY, DSN, REDIS, URL, issuer, written
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    "EMPTY": "",
    "SEVERAL": f"2:{OTHER},{GOOD}",
    "NINE": ",".join(f"{number}:{GOOD}{number}" for number in range(9)),
}
NO_URL: dict[str, Any] = {"url": None}
AUTHJS: dict[str, Any] = {"preset": "authjs"}
NEVER: dict[str, Any] = {"check": "never"}


def stored(**store: Any) -> dict[str, Any]:
    return {"sessions": store}


# The changes to a sound issuer, the setting that is named (below issuers[0]), and a part of the message.
MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    # secrets
    "no secret and no keys": ({"secret": None, "jwt_plugin": False}, "", "has no secret"),
    "no secret for Auth.js": (AUTHJS | {"secret": None}, "", "has no secret"),
    "cookies without a secret": (
        {"secret": None, "cookies": {"session_token": "a.session_token"}},
        "cookies",
        "has no effect: there is no secret",
    ),
    "session tokens without a secret": ({"secret": None, "bearer": "raw"}, "bearer", "there is no secret"),
    "a store without a secret": ({"secret": None, "sessions": {"check": "always"}}, "sessions", "there is no secret"),
    "two settings of secrets": (
        {"secrets": [OTHER]},
        "",
        "has secret and secrets: an issuer has one setting for its secrets",
    ),
    "a secret listed twice": (
        {"secret": None, "secrets": [GOOD, GOOD]},
        "secrets",
        "the same secret is listed twice",
    ),
    "a weak secret among several": (
        {"secret": None, "secrets": [GOOD, CANARY]},
        "secrets",
        "secret 2 of 2: it is 13 bytes long",
    ),
    "a variable that is not set": ({"secret": None, "secret_env": "GONE"}, "secret_env", "GONE is not set"),
    "a variable that is empty": ({"secret": None, "secrets_env": "EMPTY"}, "secrets_env", "EMPTY is empty"),
    "secrets without their versions": (
        {"secret": None, "secrets_env": "SEVERAL"},
        "secrets_env (SEVERAL)",
        "it is not a list like 2:new,1:old: <version>:<secret>",
    ),
    "too many secrets": ({"secret": None, "secrets_env": "NINE"}, "secrets_env (NINE)", "there are 9 secrets; 1 to 8"),
    "a file that does not exist": (
        {"secret": None, "secrets_file": "/nowhere"},
        "secrets_file",
        "cannot read /nowhere",
    ),
    # the front end's URL
    "a URL without a scheme": ({"url": "app.example.com"}, "url", "'app.example.com' is not an https URL"),
    "two URLs in one text": ({"url": f"{URL},https://b.example"}, "url", "is not one URL"),
    "a pattern of hosts": ({"url": "https://*.example.com"}, "url", "is not one URL"),
    "a URL with a query": ({"url": f"{URL}/?a=1"}, "url", "has a query, which a base URL cannot have"),
    "a URL with a password": ({"url": f"https://ada:{CANARY}@app.example.com"}, "url", "holds credentials"),
    "a URL over plain http": ({"url": "http://web:3000"}, "url", "could replace the keys and sessions"),
    "an empty URL": ({"url": ""}, "url", "is empty"),
    "no URL in the list": ({"url": []}, "url", "is empty"),
    "a bad URL in a list": ({"url": [URL, "b.example"]}, "url[1]", "'b.example' is not an https URL"),
    "a URL over plain http in a list": ({"url": [URL, "http://web:3000"]}, "url[1]", "could replace the keys"),
    "another path in a list": ({"url": [URL, "https://b.example/auth"]}, "url[1]", "has another path than the first"),
    "several URLs of Auth.js": (AUTHJS | {"url": [URL, "https://b.example"]}, "url", "is a list, not text"),
    "any in brackets": ({"audiences": ["any"]}, "audiences", "lists any, which would be the name of one audience"),
    "any beside another audience": ({"audiences": ["tasks", "any"]}, "audiences", "lists any"),
    # settings without effect
    "a setting of another preset": (AUTHJS | {"strategies": ["jwe"]}, "strategies", "does not apply to preset authjs"),
    "a URL with preset jwt": ({"preset": "jwt", "audiences": "any"}, "url", "does not apply to preset jwt"),
    "a proxy without keys to fetch": (
        {"jwt_plugin": False, "outbound_proxy": f"http://a:{CANARY}@proxy:3128"},
        "outbound_proxy",
        "has no effect: no keys are fetched",
    ),
    "a refresh without keys to fetch": (
        {"jwt_plugin": False, "refresh_seconds": 60},
        "refresh_seconds",
        "has no effect: no keys are fetched",
    ),
    "a maximum age without keys to fetch": (
        {"jwt_plugin": False, "max_stale_seconds": 60},
        "max_stale_seconds",
        "has no effect",
    ),
    "a cooldown without keys": (NO_URL | {"cooldown_seconds": 5}, "cooldown_seconds", "has no effect"),
    "plain http without URLs": (
        NO_URL | {"allow_http": True},
        "allow_http",
        "has no effect: no keys are fetched, and no sessions are looked up over HTTP",
    ),
    "CAs without URLs": (
        {"jwt_plugin": False, "ca_file": "/x", **stored(postgres={"dsn": DSN})},
        "ca_file",
        "no sessions are looked up over HTTP",
    ),
    # keys of JWTs
    "keys of JWTs without an issuer": (
        NO_URL | {"jwks_url": f"{URL}/jwks", "audiences": "any"},
        "issuer",
        "is missing: these keys would verify JWTs of any issuer",
    ),
    "keys of JWTs without an audience": (
        NO_URL | {"jwks_url": f"{URL}/jwks", "issuer": URL},
        "audiences",
        "is missing",
    ),
    "keys over plain http": (
        NO_URL | {"jwks_url": "http://web/jwks", "issuer": URL, "audiences": "any"},
        "jwks_url",
        "is plain http: anyone on the network path could replace the keys",
    ),
    "no algorithm of public keys": ({"algorithms": ["HS256"]}, "algorithms", "lists no algorithm of public keys"),
    "keys that expire before the next fetch": (
        {"max_stale_seconds": 299},
        "max_stale_seconds",
        "is shorter than refresh_seconds",
    ),
    "CAs that cannot be read": ({"ca_file": "/nowhere"}, "ca_file", "cannot read /nowhere: No such file"),
    "CAs for sessions that cannot be read": (
        {"jwt_plugin": False, "ca_file": "/nowhere"},
        "ca_file",
        "cannot read /nowhere: No such file",
    ),
    # cookies and headers
    "cookies without a session_token": ({"cookies": {"session_data": "a"}}, "cookies", "has no session_token"),
    "a cookie cache of a library without one": (
        AUTHJS | {"cookies": {"session_token": "a", "session_data": "b"}},
        "cookies.session_data",
        "does not apply to preset authjs",
    ),
    "a cookie whose cookie cache cannot be derived": (
        {"cookies": {"session_token": "sid"}},
        "cookies.session_data",
        "is missing: it can be derived only from a session_token",
    ),
    "session tokens without a store": (
        NO_URL | {"bearer": "raw"},
        "bearer",
        "is raw, and only a session store knows the user",
    ),
    "session tokens with a store that is never asked": (
        {"bearer": "signed", "sessions": NEVER},
        "bearer",
        "is signed, and only a session store knows the user",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_once_with_its_setting(tmp_path: Path, mistake: str) -> None:
    changes, setting, message = MISTAKES[mistake]
    problems = rejected(written(tmp_path, issuer(**changes)), **ENVIRON)
    assert_only(problems, f"issuers[0].{setting}".rstrip("."), message)


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"secret": None, "secrets": [GOOD, GOOD]}, "remove one of the two"),
        (stored(http={}, redis={"url": REDIS}), "keep one"),
        ({"bearer": "raw", "sessions": NEVER}, "set sessions.check to fallback or always; or remove it"),
        (NO_URL | {"bearer": "raw"}, "set url, or sessions; or remove it"),
        ({"preset": "jwt", "audiences": "any"}, "write it as `issuer`, exactly as `iss` of the tokens has it"),
    ],
)
def test_the_fix_is_for_this_mistake(tmp_path: Path, changes: dict[str, Any], fix: str) -> None:
    (problem,) = rejected(written(tmp_path, issuer(**changes)), **ENVIRON)
    assert problem.fix == fix


def test_two_sources_of_keys_for_its_jwts_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(json.dumps(public_jwk("ES256", "k1")))
    problems = rejected(written(tmp_path, issuer(jwks_file=str(tmp_path / "jwks"), jwks_url=f"{URL}/jwks")))
    assert_only(problems, "issuers[0]", "has jwks_file and jwks_url: its JWTs have one source of keys")


@pytest.mark.parametrize("second", ["pem_file", "jwks_file"])
def test_a_secret_and_a_file_of_public_keys_of_one_issuer_are_rejected(tmp_path: Path, second: str) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD, second: "/x"}))
    assert problems[0].setting == "issuers[0]"
    assert "let anybody who has the public key sign" in problems[0].message


@pytest.mark.parametrize("sources", [{"secret": GOOD, "secret_env": "X"}, {"pem_file": "/x", "jwks_file": "/y"}])
def test_two_sources_of_keys_are_rejected(tmp_path: Path, sources: dict[str, str]) -> None:
    problems = rejected(jwt_file(tmp_path, sources))
    assert (problems[0].setting, problems[0].message) == (
        "issuers[0]",
        f"has {' and '.join(sources)}: one issuer has one source of keys",
    )


def test_an_issuer_without_a_key_is_rejected(tmp_path: Path) -> None:
    assert_only(rejected(jwt_file(tmp_path, {})), "issuers[0]", "has no key")


def test_an_issuer_in_the_file_without_audiences_is_rejected(tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD, "audiences": None}))
    assert_only(problems, "issuers[0].audiences", "is missing")
    assert "audiences: any" in problems[0].fix


JWT: dict[str, Any] = {"secret": GOOD, "audiences": ["tasks"]}


@pytest.mark.parametrize(
    ("changes", "setting", "message"),
    [
        ({"accept": "id_token", "audiences": "any"}, "audiences", "the ID tokens of every client"),
        ({"accept": "id_token", "token_types": ["JWT", "at+jwt"]}, "token_types[1]", "is the type of an access token"),
        ({"accept": "any", "token_types": ["application/Logout+JWT"]}, "token_types[0]", "the type of a logout token"),
        ({"token_types": ["refresh+jwt"]}, "token_types[0]", "is the type of a refresh token"),
        ({"accept": "id-token"}, "accept", "'id-token' is not an allowed value"),
        ({"accept": "id_token", "token_types": "JWT"}, "token_types", "'JWT' is not a list"),
    ],
)  # fmt: skip
def test_an_issuer_cannot_accept_tokens_of_every_kind(
    tmp_path: Path, changes: dict[str, Any], setting: str, message: str
) -> None:
    assert_only(rejected(jwt_file(tmp_path, JWT | changes)), f"issuers[0].{setting}", message)
