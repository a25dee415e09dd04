"""What is refused of presets with sessions and of session stores: each mistake, where it is told, none quoting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import load
from authgate.core.errors import ConfigError, Problem
from tests.support import processes
from tests.support.session_settings import CANARY, DSN, GET_SESSION, REDIS, URL, issuer, written
from tests.support.tokens import OTHER_SECRET, SECRET, public_jwk

if TYPE_CHECKING:
    from pathlib import Path

GOOD, OTHER = SECRET.decode(), OTHER_SECRET.decode()
ENVIRON = {
    "EMPTY": "",
    "SPACED": f" {DSN}",
    "SEVERAL": f"2:{OTHER},{GOOD}",
    "NINE": ",".join(f"{number}:{GOOD}{number}" for number in range(9)),
}
NO_URL: dict[str, Any] = {"url": None}
AUTHJS: dict[str, Any] = {"preset": "authjs"}
NAMES = ("session_data", "session_token")
NEVER: dict[str, Any] = {"check": "never"}


def problems(folder: Path, *issuers: dict[str, Any]) -> list[Problem]:
    """Return what a start with *issuers* is refused for."""
    with pytest.raises(ConfigError) as refused:
        wiring.prepare(load(written(folder, *issuers), ENVIRON))
    assert not [secret for secret in (GOOD, OTHER, CANARY) if secret in str(refused.value)]
    return list(refused.value.problems)


def stored(**store: Any) -> dict[str, Any]:
    return {"sessions": store}


def postgres(**settings: Any) -> dict[str, Any]:
    return stored(postgres={"dsn": DSN} | settings)


# What somebody wrote, the setting that is named (below issuers[0]), and words of what is told.
MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    # secrets
    "no secret at all": ({"secret": None}, "", "has no secret"),
    "two settings of secrets": (
        {"secrets": [OTHER]},
        "",
        "has secret and secrets: there is one setting of secrets",
    ),
    "a secret listed twice": (
        {"secret": None, "secrets": [GOOD, GOOD]},
        "secrets",
        "the same secret is listed twice",
    ),
    "a weak one among several": (
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
    "a file that is not there": ({"secret": None, "secrets_file": "/nowhere"}, "secrets_file", "cannot read /nowhere"),
    # the front end's address
    "an address that is no URL": ({"url": "app.example.com"}, "url", "is not an http or https URL"),
    "an address with a query": ({"url": f"{URL}/?a=1"}, "url", "has a query, which no base URL has"),
    "an address with a password": ({"url": f"https://ada:{CANARY}@app.example.com"}, "url", "holds credentials"),
    "an address by plain http": ({"url": "http://web:3000"}, "url", "could put keys and sessions of his own into it"),
    # what means nothing
    "a setting of another preset": (AUTHJS | {"strategies": ["jwe"]}, "strategies", "means nothing with preset authjs"),
    "an address beside preset jwt": ({"preset": "jwt", "audiences": "any"}, "url", "means nothing with preset jwt"),
    "a proxy without keys to fetch": (
        {"jwt_plugin": False, "outbound_proxy": f"http://a:{CANARY}@proxy:3128"},
        "outbound_proxy",
        "means nothing: no keys are fetched",
    ),
    "how often no keys are fetched": (
        {"jwt_plugin": False, "refresh_seconds": 60},
        "refresh_seconds",
        "means nothing: no keys are fetched",
    ),
    "how long no keys hold": ({"jwt_plugin": False, "max_stale_seconds": 60}, "max_stale_seconds", "means nothing"),
    "how often no keys are asked for": (NO_URL | {"cooldown_seconds": 5}, "cooldown_seconds", "means nothing"),
    "plain http to nobody": (
        NO_URL | {"allow_http": True},
        "allow_http",
        "means nothing: no keys are fetched, nor are sessions asked for by http",
    ),
    "CAs of nobody": ({"jwt_plugin": False, "ca_file": "/x", **postgres()}, "ca_file", "nor are sessions asked for"),
    "a store that is never asked": (
        stored(check="never", postgres={"dsn": DSN}),
        "sessions.postgres",
        "means nothing with check: never",
    ),
    "a Redis that is never asked": (
        stored(check="never", redis={"url": REDIS}),
        "sessions.redis",
        "means nothing with check: never",
    ),
    "an address that is never asked": (stored(check="never", http={"url": GET_SESSION}), "sessions.http", "never"),
    "how long no answer is held": (stored(check="never", cache_seconds=0), "sessions.cache_seconds", "never"),
    # keys of JWTs
    "keys of JWTs that could be of anybody": (
        NO_URL | {"jwks_url": f"{URL}/jwks", "audiences": "any"},
        "issuer",
        "is missing: JWTs by these keys could be of anybody",
    ),
    "keys of JWTs for anybody": (NO_URL | {"jwks_url": f"{URL}/jwks", "issuer": URL}, "audiences", "is missing"),
    "keys by plain http": (
        NO_URL | {"jwks_url": "http://web/jwks", "issuer": URL, "audiences": "any"},
        "jwks_url",
        "is plain http: anyone on the network path could replace the response",
    ),
    "no algorithm for public keys": ({"algorithms": ["HS256"]}, "algorithms", "lists none for public keys"),
    "keys that would not live": ({"max_stale_seconds": 299}, "max_stale_seconds", "is shorter than refresh_seconds"),
    "CAs that cannot be read": ({"ca_file": "/nowhere"}, "ca_file", "cannot read /nowhere: No such file"),
    "CAs for sessions that cannot be read": (
        {"jwt_plugin": False, "ca_file": "/nowhere"},
        "ca_file",
        "cannot read /nowhere: No such file",
    ),
    # cookies and headers
    "cookies without the one that counts": ({"cookies": {"session_data": "a"}}, "cookies", "names no session_token"),
    "a cookie cache of a library without one": (
        AUTHJS | {"cookies": {"session_token": "a", "session_data": "b"}},
        "cookies.session_data",
        "means nothing with preset authjs",
    ),
    "a cookie whose companion cannot be guessed": (
        {"cookies": {"session_token": "sid"}},
        "cookies.session_data",
        "is missing, and cannot be made of session_token",
    ),
    "session tokens that nobody knows": (NO_URL | {"bearer": "raw"}, "bearer", "is raw, and without a session store"),
    "session tokens that nobody is asked for": (
        {"bearer": "signed", "sessions": NEVER},
        "bearer",
        "is signed, and without a session store",
    ),
    # session stores
    "two stores": (
        stored(http={}, postgres={"dsn": DSN}),
        "sessions",
        "has http and postgres: an issuer has one session store",
    ),
    "no store and nobody to ask": (NO_URL | stored(check="always"), "sessions", "names no store, and there is no url"),
    "get-session without knowing the cookie's name": (
        NO_URL | stored(http={"url": GET_SESSION}),
        "url",
        "under which cookie Better Auth is to be asked",
    ),
    "a schema in the DSN that is too long": (
        stored(postgres={"dsn": f"postgresql://u:p@localhost/db?schema={'s' * 64}"}),
        "sessions.postgres",
        "schema",
    ),
    "get-session of a library without one": (
        AUTHJS | stored(http={"url": GET_SESSION}),
        "sessions",
        "preset authjs has no get-session",
    ),
    "get-session by plain http": (
        stored(http={"url": "http://web:3000/api/auth/get-session"}),
        "sessions.http.url",
        "is plain http: whoever is on the way could put sessions of his own into it",
    ),
    "get-session with a password": (
        stored(http={"url": f"https://ada:{CANARY}@web/get-session"}),
        "sessions.http.url",
        "holds credentials",
    ),
    "no DSN": (stored(postgres={}), "sessions.postgres", "needs exactly one of dsn, dsn_file and dsn_env"),
    "two DSNs": (postgres(dsn_file="/x"), "sessions.postgres", "needs exactly one of dsn, dsn_file and dsn_env"),
    "a DSN with white space": (postgres(dsn=f"{DSN}\n"), "sessions.postgres.dsn", "begins or ends with white space"),
    "a variable with white space": (
        stored(postgres={"dsn_env": "SPACED"}),
        "sessions.postgres.dsn",
        "begins or ends with white space",
    ),
    "an empty DSN": (postgres(dsn=""), "sessions.postgres.dsn", "is empty"),
    "a DSN in an empty variable": (stored(postgres={"dsn_env": "EMPTY"}), "sessions.postgres.dsn_env", "is empty"),
    "a DSN in no file": (
        stored(postgres={"dsn_file": "/nowhere"}),
        "sessions.postgres.dsn_file",
        "cannot read /nowhere: No such file",
    ),
    "a DSN of another database": (
        postgres(dsn=f"mysql://reader:{CANARY}@db/app"),
        "sessions.postgres.dsn",
        "the address",
    ),
    "a name that PostgreSQL would cut off": (postgres(user_table="u" * 64), "sessions.postgres", "user_table"),
    "CAs of a database that cannot be read": (
        postgres(ca_file="/nowhere"),
        "sessions.postgres.ca_file",
        "cannot read /nowhere: No such file",
    ),
    "Redis beside a library that uses none": (
        AUTHJS | stored(redis={"url": REDIS}),
        "sessions.redis",
        "means nothing with preset authjs, which keeps its sessions in no Redis",
    ),
    "no address of Redis": (stored(redis={}), "sessions.redis", "needs exactly one of url, url_file and url_env"),
    "an address of something else": (
        stored(redis={"url": f"http://:{CANARY}@redis"}),
        "sessions.redis.url",
        "the address",
    ),
    "CAs of Redis that cannot be read": (
        stored(redis={"url": REDIS, "ca_file": "/nowhere"}),
        "sessions.redis.ca_file",
        "cannot read /nowhere: No such file",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_once_with_its_setting(tmp_path: Path, mistake: str) -> None:
    changes, setting, what = MISTAKES[mistake]
    found = problems(tmp_path, issuer(**changes))
    assert [problem.setting for problem in found] == [f"issuers[0].{setting}".rstrip(".")], found
    assert what in found[0].message
    assert found[0].fix


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"secret": None, "secrets": [GOOD, GOOD]}, "take one of the two off"),
        (stored(http={}, redis={"url": REDIS}), "keep one"),
        ({"bearer": "raw", "sessions": NEVER}, "set sessions.check to fallback or always; or remove it"),
        (NO_URL | {"bearer": "raw"}, "set url, or sessions; or remove it"),
    ],
)
def test_what_mends_it_is_told_for_just_this_mistake(tmp_path: Path, changes: dict[str, Any], fix: str) -> None:
    (found,) = problems(tmp_path, issuer(**changes))
    assert found.fix == fix


def test_two_sources_of_keys_for_its_jwts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(json.dumps(public_jwk("ES256", "k1")))
    (found,) = problems(tmp_path, issuer(jwks_file=str(tmp_path / "jwks"), jwks_url=f"{URL}/jwks"))
    told = ("issuers[0]", "has jwks_file and jwks_url: its JWTs have one source of keys")
    assert (found.setting, found.message) == told


def test_a_dsn_in_a_file_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_bytes(b"x" * 16385)
    (found,) = problems(tmp_path, issuer(**stored(postgres={"dsn_file": str(tmp_path / "dsn")})))
    assert "longer than 16384" in found.message


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            {},
            NO_URL,
            [f"issuers app and two both read the cookie __Secure-better-auth.{name}" for name in NAMES],
        ),
        (
            {"bearer": "raw"},
            {"url": "https://b.example", "cookies": {"session_token": "b.session_token"}, "bearer": "signed"},
            ["issuers app and two both take session tokens in Authorization, which cannot be told apart"],
        ),
        (
            AUTHJS | {"cookies": {"session_token": "sid"}},
            {"preset": "nextauth-v4", "cookies": {"session_token": "sid"}},
            ["issuers app and two both read the cookie sid"],
        ),
        (
            {},
            {"cookies": {"session_token": "b.session_token"}},
            [f"two issuers have the issuer {URL!r}: their tokens cannot be told apart"],
        ),
    ],
)
def test_issuers_whose_sessions_cannot_be_told_apart_are_refused(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], told: list[str]
) -> None:
    found = problems(tmp_path, issuer(**first), issuer(name="two", secret=OTHER, **second))
    assert {problem.setting for problem in found} == {"issuers"}
    assert sorted(problem.message for problem in found) == sorted(told)


# AuthGate where no extra is installed.
_WITHOUT = """
import runpy, sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    def find_spec(name, path=None, target=None):
        return None if name in {"asyncpg", "redis"} else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
runpy.run_module("authgate", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("store", "status", "told"),
    [
        ({"postgres": {"dsn": DSN}}, 78, "sessions.postgres: needs the Python package asyncpg, which is not installed"),
        ({"redis": {"url": REDIS}}, 78, "sessions.redis: needs the Python package redis, which is not installed"),
        ({"http": {"url": GET_SESSION}}, 0, ""),
    ],
)
def test_a_store_needs_its_extra_and_no_other_does(tmp_path: Path, store: Any, status: int, told: str) -> None:
    path = written(tmp_path, issuer(sessions=store))
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT, "check", "--config", path],
        capture_output=True, text=True, cwd=processes.ROOT, env={"PATH": os.environ["PATH"]}, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, CANARY in ran.stdout + ran.stderr) == (status, False), ran.stderr
    assert told in ran.stderr
