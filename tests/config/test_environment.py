"""Settings from environment variables: AUTHGATE_*, and the issuers of a start without a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.caches import CacheBudget
from authgate.config.load import load
from authgate.core.errors import ConfigError
from authgate.core.proof import SessionCheck
from authgate.tokens.secrets import fingerprint
from tests.support.rejections import assert_only, rejected
from tests.support.tokens import OTHER_SECRET, SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.config.load import LoadedConfig
    from authgate.core.errors import Problem

GOOD = SECRET.decode()


def started(**environ: str) -> LoadedConfig:
    """Return a start without a file, with JWT_SECRET and *environ*, that has no problem."""
    loaded = load(None, {"JWT_SECRET": GOOD, **environ})
    assert loaded.problems == ()
    return loaded


def problem(**environ: str) -> Problem:
    loaded = load(None, {"JWT_SECRET": GOOD, **environ})
    assert len(loaded.problems) == 1, loaded.problems
    return loaded.problems[0]


def setting(loaded: LoadedConfig, path: str) -> Any:
    value: Any = loaded.config
    for step in path.split("."):
        value = getattr(value, step)
    return value


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("AUTHGATE_LISTEN", "0.0.0.0:8080", "listen", "0.0.0.0:8080"),
        ("AUTHGATE_LOG__FORMAT", "json", "log.format", "json"),
        ("AUTHGATE_LOG__ALLOWED", "true", "log.allowed", True),
        ("AUTHGATE_LOG__ALLOWED", "0.25", "log.allowed", 0.25),
        ("AUTHGATE_ADMIN__LISTEN", "[::1]:9", "admin.listen", "[::1]:9"),
        ("AUTHGATE_LEEWAY_SECONDS", "0.5", "leeway_seconds", 0.5),
        ("AUTHGATE_WORKERS", "1", "workers", 1),
        ("AUTHGATE_CSRF__MODE", "off", "csrf.mode", "off"),
        ("AUTHGATE_CSRF__ALLOWED_ORIGINS", "https://A.example, https://b.example,", "csrf.allowed_origins",
         ["https://a.example", "https://b.example"]),
        ("AUTHGATE_CSRF__ALLOWED_ORIGINS", '["https://a.example"]', "csrf.allowed_origins", ["https://a.example"]),
        ("AUTHGATE_HEADERS", "{X-Id: subject}", "headers", {"X-Id": "subject"}),
    ],
)  # fmt: skip
def test_a_variable_sets_a_value_and_two_underscores_nest(variable: str, text: str, path: str, value: Any) -> None:
    assert setting(started(**{variable: text}), path) == value


@pytest.mark.parametrize(("value", "expected"), [("all", "all"), ("any", "any"), (None, "any")])
def test_ready_when_comes_from_the_environment(value: str | None, expected: str) -> None:
    environ = {"AUTHGATE_READY_WHEN": value} if value else {}
    assert setting(started(**environ), "ready_when") == expected


def test_ready_when_has_two_choices() -> None:
    rejection = problem(AUTHGATE_READY_WHEN="some")
    assert (rejection.setting, rejection.message) == ("ready_when", "'some' is not an allowed value")


def test_lists_of_networks_and_places_may_come_from_the_environment() -> None:
    loaded = started(AUTHGATE_TRUSTED_PROXIES="10.0.0.0/8,::1", AUTHGATE_CREDENTIALS="[{cookie: sid}]")
    assert [str(network) for network in setting(loaded, "trusted_proxies")] == ["10.0.0.0/8", "::1/128"]
    assert [place.cookie for place in setting(loaded, "credentials")] == ["sid"]


@pytest.mark.parametrize(
    ("variable", "text", "meant"),
    [
        ("AUTHGATE_LISEN", "x", "AUTHGATE_LISTEN"),
        ("AUTHGATE_LOG__FORMT", "x", "AUTHGATE_LOG__FORMAT"),
        ("AUTHGATE_LOG_FORMAT", "json", "AUTHGATE_LOG__FORMAT"),
        ("AUTHGATE_TRUSTED_PROXY", "x", "AUTHGATE_TRUSTED_PROXIES"),
    ],
)
def test_an_unknown_variable_is_rejected_with_the_one_that_was_meant(variable: str, text: str, meant: str) -> None:
    rejection = problem(**{variable: text})
    assert (rejection.setting, rejection.message) == (variable, "is not a setting")
    assert rejection.fix == f"did you mean {meant}?"


def test_a_variable_for_a_setting_of_an_issuer_is_rejected_with_the_place_for_it() -> None:
    rejection = problem(AUTHGATE_SECRET_FILE="/x")
    assert (rejection.setting, rejection.message) == ("AUTHGATE_SECRET_FILE", "is not a setting")
    assert rejection.fix.startswith("it is a setting of an issuer")


@pytest.mark.parametrize(
    ("environ", "warning"),
    [
        ({"AUTH_SECRET": GOOD, "AUTHGATE_AUDIENCE": "api"}, "AUTHGATE_AUDIENCE has no effect"),
        (
            {"JWT_SECRET": GOOD, "AUTHGATE_AUDIENCE": "api", "BETTER_AUTH_URL": "https://app.example.com"},
            "BETTER_AUTH_URL is set, but without BETTER_AUTH_SECRET",
        ),
    ],
)
def test_a_variable_without_effect_is_a_warning(environ: dict[str, str], warning: str) -> None:
    loaded = load(None, environ)
    assert loaded.problems == ()
    assert any(sentence.startswith(warning) for sentence in loaded.warnings)


@pytest.mark.parametrize("variable", ["AUTHGATE_", "AUTHGATE_ZZZZZZZZ", "AUTHGATE_LISTEN__HOST", "AUTHGATE_LOG__"])
def test_a_variable_unlike_every_setting_is_rejected(variable: str) -> None:
    assert problem(**{variable: "x"}).setting == variable


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AUTHGATE_PORT", "tcp://10.96.0.7:4190"),
        ("AUTHGATE_PORT", "udp://[fd00::7]:4190"),
        ("AUTHGATE_ADMIN_PORT", "tcp://10.96.0.8:4191"),
        ("AUTHGATE_SERVICE_HOST", "10.96.0.7"),
        ("AUTHGATE_SERVICE_PORT", "4190"),
        ("AUTHGATE_SERVICE_PORT_HTTP", "4190"),
        ("AUTHGATE_ADMIN_SERVICE_HOST", "10.96.0.8"),
        ("AUTHGATE_PORT_4190_TCP", "tcp://10.96.0.7:4190"),
        ("AUTHGATE_PORT_4190_TCP_ADDR", "10.96.0.7"),
        ("AUTHGATE_PORT_4190_TCP_PORT", "4190"),
        ("AUTHGATE_PORT_4190_TCP_PROTO", "tcp"),
        ("AUTHGATE_ADMIN_PORT_4191_TCP_ADDR", "10.96.0.8"),
    ],
)
def test_kubernetes_service_links_are_ignored(variable: str, text: str) -> None:
    assert started(**{variable: text}).config == started().config


@pytest.mark.parametrize("variable", ["AUTHGATE_PORT", "AUTHGATE_ADMIN_PORT"])
def test_a_port_that_is_not_a_service_link_is_an_unknown_setting(variable: str) -> None:
    assert problem(**{variable: "8080"}).message == "is not a setting"


@pytest.mark.parametrize("text", ["[a", "[!!int x]", "[*hunter2]", "[!hunter2 x]"])
def test_a_list_that_is_not_yaml_is_rejected_without_being_quoted(text: str) -> None:
    rejection = problem(AUTHGATE_TRUSTED_PROXIES=text)
    assert rejection.setting == "AUTHGATE_TRUSTED_PROXIES"
    assert rejection.message.startswith("is not valid YAML: ")
    assert "hunter2" not in str(rejection)


def test_repeated_keys_in_a_variable_are_rejected() -> None:
    assert "'X-A' occurs twice" in problem(AUTHGATE_HEADERS="{X-A: name, X-A: email}").message


def test_a_whole_setting_together_with_a_part_of_it_is_rejected() -> None:
    settings = [problem.setting for problem in load(None, {
        "JWT_SECRET": GOOD, "AUTHGATE_LOG": "json", "AUTHGATE_LOG__FORMAT": "json"
    }).problems]  # fmt: skip
    assert settings == ["AUTHGATE_LOG__FORMAT", "log"]


def test_a_start_without_an_audience_warns() -> None:
    (warning,) = started().warnings
    assert "any audience signed under JWT_SECRET" in warning
    assert "AUTHGATE_AUDIENCE" in warning


def test_a_start_with_audience_and_issuer_does_not_warn_and_checks_both() -> None:
    loaded = started(AUTHGATE_AUDIENCE="api, web,", AUTHGATE_ISSUER="https://issuer.example")
    (issuer,) = wiring.prepare(loaded).snapshot.issuers
    assert (issuer.audiences, issuer.iss) == ({"api", "web"}, "https://issuer.example")
    assert loaded.warnings == ()


def test_an_empty_audience_is_rejected_and_not_taken_for_any() -> None:
    assert problem(AUTHGATE_AUDIENCE=" , ").setting == "issuers[0].audiences"


def test_the_secret_of_better_auth_is_for_its_sessions_and_for_jwts_and_a_missing_url_is_reported() -> None:
    loaded = load(None, {"BETTER_AUTH_SECRET": GOOD, "AUTHGATE_AUDIENCE": "api"})
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert [(entry.config.preset, entry.secrets, entry.store) for entry in loaded.issuers] == [
        ("better-auth", (SECRET,), None),
        ("jwt", (SECRET,), None),
    ]
    found = wiring.prepare(loaded)
    assert "opaque session cookies cannot be checked: set BETTER_AUTH_URL" in found.announcements[0]
    assert "which __Secure- prevents: set `url` or `cookies`" in found.warnings[0]


@pytest.mark.parametrize(
    ("url", "cookie", "warned"),
    [
        ("https://app.example.com", "__Secure-better-auth.session_token", False),
        ("http://localhost:3000", "better-auth.session_token", False),
        ("http://web:3000", "better-auth.session_token", True),
    ],
)
def test_better_auth_needs_only_its_secret_and_its_url(url: str, cookie: str, warned: bool) -> None:  # noqa: FBT001
    found = wiring.prepare(load(None, {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_URL": url, "AUTHGATE_AUDIENCE": "api"}))
    better_auth, jwt = found.snapshot.issuers
    assert (better_auth.iss, better_auth.audiences) == (url, {url})
    assert better_auth.session_check is SessionCheck.FALLBACK
    assert found.key_sets["better-auth"].source.where == f"{url}/api/auth/jwks"
    sessions = found.sessions["better-auth"](CacheBudget(), None)
    assert sessions is not None
    assert sessions.store.where == f"{url}/api/auth/get-session"
    assert [place.name for place in found.snapshot.policies.policies[0].places] == [
        "Authorization",
        cookie,
        "access_token",
    ]
    assert jwt.key_set.keys[0].material == SECRET
    assert [warning for warning in found.warnings if "plain http" in warning] == (
        [f"issuer better-auth: {url} is plain http: anyone on the network path can read and forge sessions and keys"]
        if warned
        else []
    )


def test_the_path_of_the_url_of_better_auth_is_used() -> None:
    found = wiring.prepare(
        load(None, {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_URL": "https://a.example:443/my/auth/"})
    )
    assert found.snapshot.issuers[0].iss == "https://a.example"
    assert found.key_sets["better-auth"].source.where == "https://a.example/my/auth/jwks"


def test_several_urls_of_better_auth_are_separated_by_commas() -> None:
    urls = "https://a.example, http://localhost:3000"
    found = wiring.prepare(load(None, {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_URL": urls}))
    assert found.snapshot.issuers[0].every_iss == {"https://a.example", "http://localhost:3000"}
    wrong = rejected(BETTER_AUTH_SECRET=GOOD, BETTER_AUTH_URL="https://a.example,b.example")
    assert_only(wrong, "BETTER_AUTH_URL", "'b.example' is not the URL of a front end")
    assert_only(rejected(AUTH_SECRET=GOOD, AUTH_URL="https://a.b,c"), "AUTH_URL", "is not the URL of a front end")


@pytest.mark.parametrize("legacy", [None, OTHER_SECRET.decode()])
def test_the_first_of_several_secrets_of_better_auth_is_the_current_one(legacy: str | None) -> None:
    environ = {"BETTER_AUTH_SECRETS": f"2:{GOOD},1:{GOOD[::-1]}"} | ({"BETTER_AUTH_SECRET": legacy} if legacy else {})
    loaded = load(None, environ)
    assert loaded.problems == ()
    listed = (SECRET, SECRET[::-1], *((OTHER_SECRET,) if legacy else ()))
    assert loaded.issuers[0].secrets == listed
    assert [entry.config.preset for entry in loaded.issuers] == ["better-auth"]


def test_a_secret_that_was_rotated_out_signs_no_jwts() -> None:
    """It opens what Better Auth encrypted under it. A thief of the old secret must not be able to sign JWTs."""
    environ = {
        "BETTER_AUTH_SECRETS": f"2:{GOOD},1:{OTHER_SECRET.decode()}",
        "BETTER_AUTH_SECRET": OTHER_SECRET.decode(),
    }
    found = wiring.prepare(load(None, environ))
    assert [issuer.name for issuer in found.snapshot.issuers] == ["better-auth"]


@pytest.mark.parametrize(
    "url", ["localhost:3000", '"http://localhost:3000"', "https://app.example.com ", "app.example"]
)
@pytest.mark.parametrize("name", ["BETTER_AUTH_URL", "AUTH_URL", "NEXTAUTH_URL"])
def test_a_malformed_url_is_reported_once_with_its_variable(name: str, url: str) -> None:
    secret = name.replace("URL", "SECRET")
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(None, {secret: GOOD, name: url}))
    assert [problem.setting for problem in error.value.problems] == [name]


def test_a_misspelled_variable_is_reported() -> None:
    loaded = load(None, {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_URI": "https://app.example.com"})
    assert "BETTER_AUTH_URI is set, and has no effect: did you mean BETTER_AUTH_URL?" in loaded.warnings


def test_malformed_secrets_are_rejected_without_being_quoted() -> None:
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(None, {"BETTER_AUTH_SECRETS": f"{GOOD},{GOOD}"}))
    (problem,) = error.value.problems
    assert problem.setting == "issuers[0].secrets_env (BETTER_AUTH_SECRETS)"
    assert "2:new,1:old" in problem.message
    assert GOOD not in str(error.value)


def test_the_secret_of_auth_js_with_the_highest_number_is_the_current_one() -> None:
    environ = {"AUTH_SECRET": GOOD, "AUTH_SECRET_1": GOOD[::-1], "AUTH_SECRET_3": OTHER_SECRET.decode()}
    loaded = load(None, environ | {"AUTH_URL": "https://app.example.com"})
    (entry,) = loaded.issuers
    assert (entry.config.preset, entry.secrets) == ("authjs", (OTHER_SECRET, SECRET[::-1], SECRET))
    assert [place.name for place in wiring.prepare(loaded).snapshot.policies.policies[0].places] == [
        "Authorization",
        "__Secure-authjs.session-token",
    ]


@pytest.mark.parametrize("newer", ["AUTH_SECRET", "AUTH_SECRET_1", "AUTH_SECRET_3"])
def test_a_file_together_with_another_secret_of_auth_js_is_rejected_and_its_path_is_not_taken_for_a_secret(
    newer: str,
) -> None:
    path = "/run/secrets/a-path-of-more-than-thirty-two-characters"
    environ = {"AUTH_SECRET_FILE": path, newer: GOOD}
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(None, environ))
    assert f"{newer} and AUTH_SECRET_FILE" in {problem.setting for problem in error.value.problems}


def test_a_numbered_secret_of_auth_js_needs_no_other() -> None:
    (entry,) = load(None, {"AUTH_SECRET_2": GOOD}).issuers
    assert (entry.config.preset, entry.secrets) == ("authjs", (SECRET,))


def test_a_file_of_secrets_together_with_another_secret_of_better_auth_is_rejected() -> None:
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(None, {"BETTER_AUTH_SECRETS_FILE": "/nowhere", "BETTER_AUTH_SECRET": GOOD}))
    assert error.value.problems[0].setting == "BETTER_AUTH_SECRETS_FILE and BETTER_AUTH_SECRET"


def test_the_secret_of_nextauth_is_for_its_sessions() -> None:
    loaded = load(None, {"NEXTAUTH_SECRET": GOOD, "NEXTAUTH_URL": "http://localhost:3000"})
    (entry,) = loaded.issuers
    assert (entry.config.preset, entry.secrets) == ("nextauth-v4", (SECRET,))
    assert wiring.prepare(loaded).snapshot.policies.policies[0].places[-1].name == "next-auth.session-token"


def test_an_environment_without_a_key_is_rejected() -> None:
    assert_only(rejected(), "issuers", "there is no key at all")


@pytest.mark.parametrize("name", ["JWT_SECRET", "BETTER_AUTH_SECRET"])
def test_an_empty_secret_is_not_a_key(name: str) -> None:
    assert_only(rejected(**{name: ""}), "issuers", f"{name} is set, but empty")


def test_a_url_is_not_a_key() -> None:
    assert_only(rejected(BETTER_AUTH_URL="https://app.example.com"), "issuers", "there is no key at all")


def test_both_secrets_may_be_set_if_they_are_equal() -> None:
    loaded = started(BETTER_AUTH_SECRET=GOOD)
    assert [entry.config.preset for entry in loaded.issuers] == ["better-auth", "jwt"]
    assert {entry.secrets for entry in loaded.issuers} == {(SECRET,)}


def test_two_secrets_that_differ_are_rejected() -> None:
    environ = {"JWT_SECRET": GOOD, "BETTER_AUTH_SECRET": OTHER_SECRET.decode()}
    assert_only(rejected(**environ), "JWT_SECRET and BETTER_AUTH_SECRET", "are both set, with different values")


@pytest.mark.parametrize("second", ["JWT_SECRET_FILE", "BETTER_AUTH_SECRET_FILE"])
def test_a_secret_together_with_a_secret_file_is_rejected(second: str) -> None:
    problems = rejected(**{"JWT_SECRET": GOOD, second: "/x"})
    assert_only(problems[:1], f"JWT_SECRET and {second}", "cannot be set together")


@pytest.mark.parametrize("name", ["JWT_SECRET_FILE", "BETTER_AUTH_SECRET_FILE"])
def test_a_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(OTHER_SECRET + b"\n")
    loaded = load(None, {name: str(tmp_path / "secret")})
    found = {"jwt": fingerprint(OTHER_SECRET)}
    if name.startswith("BETTER"):
        found["better-auth"] = fingerprint(OTHER_SECRET)
    assert wiring.prepare(loaded).fingerprints == found


def test_the_origin_is_the_environment() -> None:
    assert started().origin == "environment"


@pytest.mark.parametrize(
    ("variable", "setting_of"), [("AUTHGATE_AUDIENCE", "audiences"), ("AUTHGATE_ISSUER", "issuer")]
)
def test_a_variable_for_a_start_without_a_file_is_rejected_with_issuers(variable: str, setting_of: str) -> None:
    issuers = f"[{{name: a, preset: jwt, secret: '{GOOD}', audiences: any}}]"
    (rejection,) = load(None, {"AUTHGATE_ISSUERS": issuers, variable: "x"}).problems
    assert (rejection.setting, rejection.fix) == (variable, f"set `{setting_of}` of the issuer instead")


def test_the_image_listens_on_every_address_by_default(tmp_path: Path) -> None:
    image = {"AUTHGATE_IN_CONTAINER": "true"}
    loaded = started(**image)
    assert (setting(loaded, "listen"), setting(loaded, "admin.listen")) == ("0.0.0.0:4190", "0.0.0.0:4191")
    (tmp_path / "authgate.yaml").write_text("listen: unix:/run/authgate.sock\nadmin: {listen: 127.0.0.1:1}\n")
    by_file = load(str(tmp_path / "authgate.yaml"), {"JWT_SECRET": GOOD, **image})
    assert (setting(by_file, "listen"), setting(by_file, "admin.listen")) == (
        "unix:/run/authgate.sock",
        "127.0.0.1:1",
    )
    by_variable = started(AUTHGATE_LISTEN="127.0.0.1:4190", **image)
    assert setting(by_variable, "listen") == "127.0.0.1:4190"


@pytest.mark.parametrize(("switch", "listen"), [("", "127.0.0.1:4190"), ("false", "127.0.0.1:4190")])
def test_outside_the_image_authgate_listens_on_loopback(switch: str, listen: str) -> None:
    assert setting(started(AUTHGATE_IN_CONTAINER=switch), "listen") == listen


@pytest.mark.parametrize("switch", ["1", "no", "True "])
def test_a_switch_that_is_neither_true_nor_false_is_rejected(switch: str) -> None:
    assert problem(AUTHGATE_IN_CONTAINER=switch).message == f"{switch!r} is neither true nor false"


def test_a_configuration_that_trusts_nobody_is_rejected() -> None:
    rejection = problem(AUTHGATE_TRUSTED_PROXIES="[]")
    assert (rejection.setting, rejection.message.split(",")[0]) == ("trusted_proxies", "is empty")
    assert setting(started(AUTHGATE_TRUSTED_PROXIES="[]", AUTHGATE_LISTEN="unix:/run/a.sock"), "trusted_proxies") == []
