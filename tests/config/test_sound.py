"""Every problem at once: a wrong setting hides no problem of another, and nothing that depends on it is guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config._sound import sound_part
from authgate.config.load import load
from authgate.config.model import Config, TlsConfig
from authgate.core.errors import ConfigError
from authgate.presets import AnyIssuer
from tests.support.rejections import GOOD, OTHER, jwt_file, rejected
from tests.support.session_settings import DSN, URL, issuer, written
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

SHORT = "sixteen-bytes-16"


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    path = jwt_file(
        tmp_path,
        {"secret": GOOD[:16]},
        {"name": "two", "issuer": "x", "pem_file": "/missing"},
        {"name": "Three", "secret": GOOD},
        lisen="127.0.0.1:1",
        leeway_seconds=301,
    )
    assert [problem.setting for problem in rejected(path, AUTHGATE_LOG__FORMT="json", AUTHGATE_AUDIENCE="api")] == [
        "AUTHGATE_LOG__FORMT",
        "AUTHGATE_AUDIENCE",
        "leeway_seconds",
        "issuers[2].name",
        "lisen",
        "issuers",  # the first and the third leave out `issuer`
        "issuers[0].secret",
        "issuers[1].pem_file",
    ]


def test_a_mistake_in_one_setting_of_an_issuer_does_not_hide_those_of_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "issuers:\n"
        "  - {name: Bad Name, preset: better-auht, secret: short, audiences: x, issuer: 7}\n"
        f"  - {{name: b, preset: jwt, jwks_file: {tmp_path / 'nope'}, audience: x}}\n"
    )
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(str(file), {}))
    assert {problem.setting for problem in error.value.problems} == {
        "issuers[0].name",
        "issuers[0].preset",
        "issuers[0].audiences",
        "issuers[0].issuer",
        "issuers[0].secret",
        "issuers[1].audience",
        "issuers[1].audiences",
        "issuers[1].jwks_file",
        "issuers[1].subject_prefix",
    }


# What was written, and the settings (below issuers[0]) of all problems that one run must report.
TOGETHER: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a URL without scheme of an unknown preset": (
        {"preset": "betterauth", "url": "app.example.com"},
        {"preset", "url"},
    ),
    "everything that is wrong with any preset": (
        {
            "preset": "betterauth",
            "secret": SHORT,
            "jwks_url": "keys",
            "cooldown_seconds": 600,
            "ca_file": "/nowhere",
            "cookies": {"session_data": "a"},
            "sessions": {"http": {"url": "sessions"}, "postgres": {"dsn": "mysql://a"}, "redis": {"url": "x"}},
        },
        {"preset", "secret", "jwks_url", "cooldown_seconds", "ca_file", "cookies"}
        | {"sessions", "sessions.http.url", "sessions.postgres.dsn", "sessions.redis.url"},
    ),
    "weak secrets of an unknown preset": (
        {"preset": "x", "secret": None, "secrets": [SHORT, GOOD]},
        {"preset", "secrets"},
    ),
    "a secrets file of an unknown preset": (
        {"preset": "x", "secret": None, "secrets_file": "/nowhere"},
        {"preset", "secrets_file"},
    ),
    "a secret of another type": (
        {"secret": ["a"], "url": "app", "max_stale_seconds": 60},
        {"secret", "url", "max_stale_seconds"},
    ),
    "a URL of keys of another type": (
        {"url": None, "jwks_url": 3, "max_stale_seconds": 60},
        {"jwks_url", "issuer", "audiences", "max_stale_seconds"},
    ),
    "one wrong time of three": (
        {"cooldown_seconds": "5m", "max_stale_seconds": 60},
        {"cooldown_seconds", "max_stale_seconds"},
    ),
    "a wrong value of a setting for another preset": (
        {"preset": "authjs", "refresh_seconds": "5m"},
        {"refresh_seconds"},
    ),
    "the rest of a session store": (
        {"sessions": {"check": "allways", "postgres": {"dsn": 5, "ca_file": "/nowhere", "user_table": "u" * 64}}},
        {"sessions.check", "sessions.postgres.dsn", "sessions.postgres.ca_file", "sessions.postgres.user_table"},
    ),
    "all names of tables": (
        {"sessions": {"postgres": {"dsn": DSN, "user_table": "u" * 64, "token_column": "t" * 64}}},
        {"sessions.postgres.user_table", "sessions.postgres.token_column"},
    ),
    "a store that is never asked": (
        {"sessions": {"check": "never", "postgres": {"dsn": "mysql://a"}}},
        {"sessions.postgres", "sessions.postgres.dsn"},
    ),
    "Redis for a library that does not use it": (
        {"preset": "authjs", "sessions": {"redis": {"url": "x"}}},
        {"sessions.redis", "sessions.redis.url"},
    ),
    "every source of one address": (
        {"sessions": {"postgres": {"dsn": "mysql://a", "dsn_file": "/nowhere", "dsn_env": "GONE"}}},
        {"sessions.postgres", "sessions.postgres.dsn", "sessions.postgres.dsn_file", "sessions.postgres.dsn_env"},
    ),
    "a malformed address with white space": (
        {"sessions": {"redis": {"url": "x\n"}}},
        {"sessions.redis.url"},
    ),
    "keys for another preset without a secret": (
        {"preset": "authjs", "secret": None, "jwks_url": f"{URL}/jwks"},
        {"", "jwks_url"},
    ),
    "both names of cookies": (
        {"preset": "authjs", "cookies": {"session_data": "a"}},
        {"cookies", "cookies.session_data"},
    ),
    "rival secrets": (
        {"secrets": [SHORT], "secrets_env": "GONE", "secrets_file": "/nowhere"},
        {"", "secrets", "secrets_env", "secrets_file"},
    ),
    "rival sources of keys": (
        {
            "preset": "jwt",
            "url": None,
            "audiences": "any",
            "secret": SHORT,
            "pem_file": "/nowhere",
            "jwks_file": "/nothing",
            "jwks_url": "x",
            "discovery": True,
        },
        {"", "secret", "pem_file", "jwks_file", "jwks_url", "issuer"},
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_problems_are_reported_together(tmp_path: Path, case: str) -> None:
    changes, settings = TOGETHER[case]
    problems = rejected(written(tmp_path, issuer(**changes)))
    assert {problem.setting for problem in problems} == {f"issuers[0].{name}".rstrip(".") for name in settings}


@pytest.mark.parametrize(
    ("written_settings", "settings"),
    [
        ({"trusted_proxies": [], "leeway_seconds": -1}, {"trusted_proxies", "leeway_seconds"}),
        ({"trusted_proxies": ["x", "0.0.0.0/0"]}, {"trusted_proxies[0]", "trusted_proxies"}),
        (
            {"credentials": [{"header": "Cookie", "cookie": "a"}]},
            {"credentials[0].header", "credentials[0]"},
        ),
        ({"headers": {"x-id": "sub"}}, {"headers.x-id"}),
        (
            {"listen": "unix:/a", "tls": {"certificate_file": "/nowhere"}},
            {"tls", "tls.key_file"},
        ),
        (
            {"tls": {"certificate_file": "/no", "key_file": "/where", "client_names": ["10.0.0.1"]}},
            {"tls.client_names", "tls.client_names[0]", "tls.certificate_file", "tls.key_file"},
        ),
        (
            {"tls": {"certificate_file": "/no", "key_file": "/where", "typo": 1}},
            {"tls.typo", "tls.certificate_file", "tls.key_file"},
        ),
    ],
)
def test_problems_outside_the_issuers_are_reported_together(
    tmp_path: Path, written_settings: dict[str, Any], settings: set[str]
) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, **written_settings))
    assert {problem.setting for problem in problems} == settings


def test_a_wrong_name_and_a_wrong_source_of_one_header_are_both_reported(tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, headers={"x-id": "sub"}))
    assert [problem.setting for problem in problems] == ["headers.x-id", "headers.x-id"]


# What was written, and the only problem: the others would depend on it.
NOT_GUESSED: dict[str, tuple[dict[str, Any], str]] = {
    "a typo in the preset": ({"preset": "betterauth", "bearer": "raw"}, "preset"),
    "a plain http URL of an unknown preset": ({"preset": "betterauth", "url": "http://web:3000"}, "preset"),
    "a secret of another type": ({"secret": 7}, "secret"),
    "a file of another type": ({"url": None, "issuer": URL, "audiences": "any", "jwks_file": 7}, "jwks_file"),
    "a typo in the store's name": ({"preset": "authjs", "sessions": {"postgress": {}}}, "sessions.postgress"),
    "a store of another type": ({"bearer": "signed", "sessions": 5}, "sessions"),
    "plain http by an unknown permission": ({"url": "http://web:3000", "allow_http": "yes"}, "allow_http"),
    "a DSN of another type": ({"sessions": {"postgres": {"dsn": 7}}}, "sessions.postgres.dsn"),
    "an unknown refresh": ({"refresh_seconds": "1h", "cooldown_seconds": 600}, "refresh_seconds"),
}


@pytest.mark.parametrize("case", NOT_GUESSED)
def test_what_depends_on_a_wrong_setting_is_not_reported(tmp_path: Path, case: str) -> None:
    changes, setting = NOT_GUESSED[case]
    (problem,) = rejected(written(tmp_path, issuer(**changes)))
    assert problem.setting == f"issuers[0].{setting}"


def test_two_wrong_urls_do_not_clash(tmp_path: Path) -> None:
    problems = rejected(written(tmp_path, issuer(url="a"), issuer(name="two", secret=OTHER, url=7)))
    assert {problem.setting for problem in problems} == {"issuers[0].url", "issuers[1].url"}


def test_an_unknown_preset_clashes_with_no_issuer(tmp_path: Path) -> None:
    problems = rejected(written(tmp_path, issuer(preset="x"), issuer(name="two", secret=OTHER)))
    assert {problem.setting for problem in problems} == {"issuers[0].preset"}


def test_everybody_is_trusted_by_an_unknown_switch_without_a_guess(tmp_path: Path) -> None:
    settings = {"trusted_proxies": ["0.0.0.0/0"], "unsafe_trust_all_proxies": "perhaps"}
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, **settings))
    assert [problem.setting for problem in problems] == ["unsafe_trust_all_proxies"]


def test_each_of_several_key_files_is_checked(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("nonsense")
    (tmp_path / "secret").write_text(SHORT)
    keys = {"secret_file": str(tmp_path / "secret"), "pem_file": str(tmp_path / "pem")}
    problems = rejected(jwt_file(tmp_path, keys))
    assert [problem.setting for problem in problems] == [
        *("issuers[0]", "issuers[0].secret_file", "issuers[0].pem_file")
    ]
    assert "16 bytes" in problems[1].message
    assert "no PEM block" in problems[2].message


def test_a_secret_file_is_checked_though_a_variable_has_a_secret_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SHORT)
    problems = rejected(NEXTAUTH_SECRET=GOOD, NEXTAUTH_SECRET_FILE=str(tmp_path / "secret"))
    assert [problem.setting for problem in problems] == [
        *("NEXTAUTH_SECRET and NEXTAUTH_SECRET_FILE", "NEXTAUTH_SECRET_FILE")
    ]


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        (
            {"JWT_SECRET": GOOD, "JWT_SECRET_FILE": "/nowhere", "AUTHGATE_READY_WHEN": "al"},
            {"JWT_SECRET and JWT_SECRET_FILE", "JWT_SECRET_FILE", "ready_when"},
        ),
        (
            {"AUTH_SECRET": GOOD, "AUTH_SECRET_FILE": "/x", "NEXTAUTH_URL": "x"},
            {"AUTH_SECRET and AUTH_SECRET_FILE", "AUTH_SECRET_FILE", "NEXTAUTH_URL"},
        ),
        ({"AUTH_URL": "localhost:3000"}, {"issuers", "AUTH_URL"}),
        (
            {"BETTER_AUTH_SECRETS": "x", "BETTER_AUTH_SECRET": SHORT},
            {"issuers[0].secrets_env (BETTER_AUTH_SECRETS)", "BETTER_AUTH_SECRET"},
        ),
        (
            {"JWT_SECRET": GOOD, "AUTHGATE_LOG": "{format: txt, format: jsn}"},
            {"AUTHGATE_LOG", "log.format"},
        ),
    ],
)
def test_problems_of_the_environment_are_reported_together(environ: dict[str, str], settings: set[str]) -> None:
    assert {problem.setting for problem in rejected(None, **environ)} == settings


def test_a_repeated_key_does_not_hide_the_problems_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "authgate.yaml"
    path.write_text(f"listen: a:1\nlisten: b\nissuers: [{{name: a, preset: jwt, secret: {SHORT}, name: a}}]\n")
    problems = rejected(path)
    assert [problem.setting for problem in problems] == [
        *(str(path), str(path), "listen", "issuers[0].audiences", "issuers[0].secret"),
    ]


def test_a_repeated_list_of_issuers_is_not_taken_for_none(tmp_path: Path) -> None:
    path = tmp_path / "authgate.yaml"
    path.write_text(f"issuers: [{{name: a, preset: jwt, secret: '{GOOD}', audiences: any}}]\nissuers: []\n")
    (problem,) = rejected(path)
    assert "the key 'issuers' occurs twice" in problem.message


def test_the_sound_part_leaves_out_what_is_wrong_and_names_it() -> None:
    raw = {
        "name": "A b",
        "preset": "jwt",
        "algorithms": ["x"],
        5: 1,
        "typo": 1,
        "sessions": {"postgres": {"dsn": 5, "ca_file": "x"}, "typo": 1},
    }
    issuer_config, wrong = sound_part(AnyIssuer, raw, {"name": "stand-in"})
    assert wrong == {"name", "algorithms", "5", "typo", "sessions.postgres.dsn", "sessions.typo"}
    assert issuer_config is not None
    assert (issuer_config.name, issuer_config.algorithms) == ("stand-in", None)
    assert issuer_config.sessions is not None
    assert issuer_config.sessions.postgres is not None
    assert issuer_config.sessions.postgres.ca_file == "x"


def test_a_group_without_a_required_setting_is_wrong_as_a_whole() -> None:
    config, wrong = sound_part(Config, {"tls": {"key_file": "x"}, "listen": "127.0.0.1:1"})
    assert config is not None
    assert (config.tls, config.listen, wrong) == (None, "127.0.0.1:1", {"tls", "tls.certificate_file"})
    assert sound_part(TlsConfig, {"key_file": "x"})[0] is None
    assert sound_part(AnyIssuer, SECRET)[0] is None
