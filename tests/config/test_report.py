"""Messages for wrong values: each quotes the value, suggests what was meant, and shows neither a secret nor a regex."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from authgate.config._annotations import members
from authgate.config._report import did_you_mean, problems_of, scalar
from authgate.config.model import Config, TlsConfig
from authgate.core.errors import MAX_PROBLEMS, Problem
from authgate.presets.jwt import JwtIssuer
from authgate.stores.redis import RedisSessionsConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

ISSUER = {"name": "app", "preset": "jwt", "secret_env": "X", "audiences": "any"}


def problems(**settings: Any) -> list[Problem]:
    with pytest.raises(ValidationError) as error:
        Config.model_validate(settings)
    return problems_of(error.value, Config)


def only(**settings: Any) -> Problem:
    (problem,) = problems(**settings)
    return problem


def of_issuer(**settings: Any) -> dict[str, Any]:
    return {"issuers": [ISSUER | settings]}


def of_front_end(**settings: Any) -> dict[str, Any]:
    """The same for an issuer that also makes session cookies."""
    return of_issuer(preset="better-auth", **settings)


# What was written instead of one of the choices, the setting that is named, how the value is quoted, and how the fix
# begins.
CHOICES: list[tuple[dict[str, Any], str, str, str]] = [
    (of_issuer(preset="betterauth"), "issuers[0].preset", "'betterauth'",
     "did you mean better-auth? The choices are better-auth, jwt, authjs, nextauth-v4, "),
    (of_issuer(preset="Auth.js"), "issuers[0].preset", "'Auth.js'", "did you mean authjs?"),
    (of_issuer(preset="nextauth"), "issuers[0].preset", "'nextauth'", "did you mean nextauth-v4?"),
    (of_issuer(preset="lucia"), "issuers[0].preset", "'lucia'", "use one of better-auth, jwt, "),
    (of_issuer(preset="heimdall"), "issuers[0].preset", "'heimdall'", "use one of better-auth, jwt, "),
    (of_issuer(preset=7), "issuers[0].preset", "7", "use one of better-auth, jwt, "),
    ({"csrf": {"mode": "enforced"}}, "csrf.mode", "'enforced'",
     "did you mean enforce? The choices are enforce, off"),
    ({"csrf": {"mode": True}}, "csrf.mode", "true", "use one of enforce, off"),
    ({"log": {"format": "josn"}}, "log.format", "'josn'", "did you mean json?"),
    ({"log": {"format": "xml"}}, "log.format", "'xml'", "use one of auto, json, text"),
    ({"ready_when": "some"}, "ready_when", "'some'", "use one of any, all"),
    ({"ready_when": "ALL"}, "ready_when", "'ALL'", "did you mean all?"),
    ({"workers": 2}, "workers", "2", "leave it out, or write workers: 1: this version runs one"),
    (of_issuer(algorithms=["HS256", "hs256"]), "issuers[0].algorithms[1]", "'hs256'",
     "did you mean HS256? The choices are HS256, HS384, "),
    (of_issuer(algorithms=["ed-25519"]), "issuers[0].algorithms[0]", "'ed-25519'",
     "did you mean Ed25519?"),
    (of_issuer(algorithms=["none"]), "issuers[0].algorithms[0]", "'none'", "use one of HS256, "),
    (of_front_end(strategies=["compct"]), "issuers[0].strategies[0]", "'compct'",
     "did you mean compact?"),
    (of_front_end(bearer="sign"), "issuers[0].bearer", "'sign'", "did you mean signed?"),
    (of_front_end(anonymous="refused"), "issuers[0].anonymous", "'refused'", "did you mean refuse?"),
    (of_front_end(sessions={"check": "alway"}), "issuers[0].sessions.check", "'alway'",
     "did you mean always? The choices are fallback, always, never"),
]  # fmt: skip
# What was written, the setting that is named, the whole message, and how the fix begins.
MESSAGES: list[tuple[dict[str, Any], str, str, str]] = [
    # types
    ({"listen": None}, "listen", "null is not text", "The address for proxies"),
    ({"listen": 4190}, "listen", "4190 is not text", "The address for proxies"),
    (of_issuer(issuer=7), "issuers[0].issuer", "7 is not text", "The exact `iss`"),
    ({"log": {"details": "perhaps"}}, "log.details", "'perhaps' is neither true nor false", "write true or false"),
    (of_issuer(discovery="yes"), "issuers[0].discovery", "'yes' is neither true nor false", "write true or false"),
    ({"log": {"allowed": "perhaps"}}, "log.allowed", "'perhaps' is neither true, false nor a number", "Whether to log"),
    ({"leeway_seconds": "x"}, "leeway_seconds", "'x' is not a number", "0 to 300."),
    ({"leeway_seconds": True}, "leeway_seconds", "true is not a number", "0 to 300."),
    ({"leeway_seconds": float("nan")}, "leeway_seconds", "nan is not a number", "0 to 300."),
    (of_issuer(refresh_seconds="5m"), "issuers[0].refresh_seconds",
     "'5m' is not a number of seconds: write 300, not 5m", "1 to 86400."),
    (of_issuer(refresh_seconds=[1]), "issuers[0].refresh_seconds",
     "is not a number of seconds: write 300, not 5m", "1 to 86400."),
    (of_issuer(audiences="api"), "issuers[0].audiences", "'api' is neither `any` nor a list",
     "write a list: ['api'], or each element on its own line after a dash; or write any"),
    (of_issuer(token_types="JWT"), "issuers[0].token_types", "'JWT' is not a list", "write a list: ['JWT'], or each"),
    (of_issuer(token_types={}), "issuers[0].token_types", "is a mapping, not a list", "write a list: [a, b], or each"),
    (of_issuer(algorithms=[["HS256"]]), "issuers[0].algorithms[0]", "is not an allowed value", "use one of HS256, "),
    ({"headers": "x"}, "headers", "'x' is not a mapping", "The headers of the reply"),
    ({"headers": {"X-A": 7}}, "headers.X-A", "7 is not text", "The headers of the reply"),
    ({"log": 5}, "log", "is a number, not a mapping", "write a mapping of its settings: format, allowed, details"),
    ({"log": None}, "log", "is null, not a mapping", "write a mapping of its settings: format"),
    ({"admin": []}, "admin", "is a list, not a mapping", "write a mapping of its settings: listen, tls"),
    ({"issuers": ["app"]}, "issuers[0]", "is text, not a mapping", "write a mapping of its settings: name, preset"),
    ({"issuers": {}}, "issuers", "is a mapping, not a list", "write a list: "),
    # limits
    ({"leeway_seconds": -1}, "leeway_seconds", "-1 is less than 0", "0 to 300."),
    ({"leeway_seconds": 301}, "leeway_seconds", "301 is more than 300", "0 to 300."),
    ({"log": {"allowed": 2}}, "log.allowed", "2 is more than 1", "Whether to log"),
    (of_issuer(refresh_seconds=0), "issuers[0].refresh_seconds", "0 is less than 1", "1 to 86400."),
    (of_issuer(refresh_seconds=86401), "issuers[0].refresh_seconds", "86401 is more than 86400", "1 to 86400."),
    (of_issuer(max_stale_seconds=float("inf")), "issuers[0].max_stale_seconds", "inf is more than 2592000", "Up to "),
    (of_front_end(sessions={"cache_seconds": 61}), "issuers[0].sessions.cache_seconds", "61 is more than 60", "0 to "),
    (of_issuer(audiences=[]), "issuers[0].audiences", "is empty", "The accepted values of `aud`"),
    (of_issuer(audiences=[""]), "issuers[0].audiences[0]", "is empty", "The accepted values"),
    (of_issuer(jwks_url=""), "issuers[0].jwks_url", "is empty", "The https URL"),
    ({"credentials": []}, "credentials", "is empty", "Where to look for credentials"),
    (of_front_end(secrets=["a"] * 9), "issuers[0].secrets", "has 9 elements; at most 8 are allowed", "Up to 8 secrets"),
    # forms
    (of_issuer(name="Bad Name"), "issuers[0].name", "'Bad Name' is not a valid name", "A name of your choice"),
    ({"listen": "nowhere"}, "listen",
     "'nowhere' is not an address to listen at: write host:port, [ipv6]:port or unix:/path", "The address for proxies"),
    ({"trusted_proxies": ["10.0.0.1/8"]}, "trusted_proxies[0]",
     "'10.0.0.1/8' is not an address or a subnet: write 10.0.0.0/8 for the subnet or 10.0.0.1 for the address", "The "),
    ({"trusted_proxies": ["proxy"]}, "trusted_proxies[0]",
     "'proxy' is not an address or a subnet: write 10.0.0.1 or 10.0.0.0/8", "The addresses and subnets"),
    ({"headers": {"x-user": "subject"}}, "headers.x-user",
     "'x-user' is not a canonical header name: write it like X-User-Id, with letters, digits and hyphens", "The "),
    ({"headers": {"X-User": "sub"}}, "headers.X-User",
     "'sub' is neither claims.<path> nor a field of the identity: did you mean subject?", "The headers of the reply"),
    ({"credentials": [{"cookie": "a b"}]}, "credentials[0].cookie",
     "'a b' cannot be a name of a header or cookie: use 1 to 128 letters, digits and !#$%&'*+.^_`|~-", "The exact"),
    ({"csrf": {"allowed_origins": ["https://a/"]}}, "csrf.allowed_origins[0]",
     "'https://a/' is not an origin: write scheme://host[:port], without a path", "Other origins"),
    # names of settings
    ({"lisen": 1}, "lisen", "is not a setting", "did you mean listen?"),
    ({"admin": {"lisen": 1}}, "admin.lisen", "is not a setting", "did you mean listen?"),
    (of_issuer(audience="x"), "issuers[0].audience", "is not a setting", "did you mean audiences?"),
    ({"credentials": [{"cookie": "a", "kookie": "b"}]}, "credentials[0].kookie", "is not a setting", "did you mean c"),
    ({"details": True}, "details", "is not a setting", "write it within log: {details: …}"),
    ({"admin": {"zzz": 1}}, "admin.zzz", "is not a setting", "use one of listen, tls"),
    ({"policies": []}, "policies", "is empty", "Who may do what."),
    ({"issuers": [{"preset": "jwt"}]}, "issuers[0].name", "is missing", "add it; docs/configuration.md describes it"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "setting", "value", "fix"), CHOICES, ids=[f"{row[1]} {row[2]}" for row in CHOICES]
)
def test_the_closest_choice_is_suggested_for_a_wrong_one(
    settings: dict[str, Any], setting: str, value: str, fix: str
) -> None:
    problem = only(**settings)
    assert (problem.setting, problem.message) == (setting, f"{value} is not an allowed value")
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize(("settings", "setting", "message", "fix"), MESSAGES, ids=[row[2][:40] for row in MESSAGES])
def test_a_mistake_has_one_message_with_its_setting_value_and_fix(
    settings: dict[str, Any], setting: str, message: str, fix: str
) -> None:
    problem = only(**settings)
    assert (problem.setting, problem.message) == (setting, message)
    assert problem.fix.startswith(fix)


def test_a_number_as_the_name_of_a_setting_is_rejected() -> None:
    (problem,) = problems_of(_error({1: 1}), Config)
    assert (problem.setting, problem.message) == ("[1]", "is not a setting")


def _error(settings: object) -> ValidationError:
    with pytest.raises(ValidationError) as error:
        Config.model_validate(settings)
    return error.value


def test_settings_that_are_not_a_mapping_are_rejected_as_a_whole() -> None:
    (problem,) = problems_of(_error([]), Config)
    assert (problem.setting, problem.message) == ("configuration", "is a list, not a mapping")


def models(model: type[BaseModel], within: frozenset[type[BaseModel]] = frozenset()) -> Iterator[type[BaseModel]]:
    """Yield *model* and every model below it. Rules contain rules: none is entered again from *within* itself."""
    yield model
    for field in model.model_fields.values():
        for member in members(field.annotation):
            for inner in (member, *(one for element in getattr(member, "__args__", ()) for one in members(element))):
                if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in within | {model}:
                    yield from models(inner, within | {model})


def test_no_setting_is_checked_by_a_pattern_of_pydantic_whose_message_shows_the_pattern() -> None:
    found = {*models(Config)}
    assert {Config, JwtIssuer, RedisSessionsConfig, TlsConfig} < found
    patterns = [
        name
        for model in found
        for name, field in model.model_fields.items()
        if any(getattr(metadata, "pattern", None) for metadata in field.metadata)
    ]
    assert patterns == []
    assert Config.model_json_schema()["$defs"]["JwtIssuer"]["properties"]["name"]["pattern"]


CANARY = "hunter2-canary"
# Every setting that may hold a secret, with a value of a wrong type or form, and groups that hold such settings.
SECRETS: list[dict[str, Any]] = [
    of_issuer(secret=[CANARY]),
    of_issuer(secret={CANARY: 1}),
    of_issuer(secret=7222222),
    of_front_end(secrets=CANARY),
    of_front_end(secrets=[CANARY, 7222222]),
    of_front_end(secrets=[CANARY] * 9),
    of_issuer(outbound_proxy=CANARY),
    of_issuer(outbound_proxy=f"http://user:{CANARY}@proxy:3128/path"),
    of_issuer(outbound_proxy=[CANARY]),
    of_front_end(sessions=CANARY),
    of_front_end(sessions=[CANARY]),
    of_front_end(sessions={"postgres": CANARY}),
    of_front_end(sessions={"postgres": {"dsn": [CANARY]}}),
    of_front_end(sessions={"redis": {"url": 7222222}}),
    of_front_end(sessions={"redis": f"redis://:{CANARY}@host"}),
    of_issuer(audiences={"secret": CANARY}),
    of_issuer(typo=CANARY),
    of_issuer(**{f"secret:{CANARY}": None}),
    of_front_end(sessions={"postgres": {f"postgresql://ada:{CANARY}@db/app": None}}),
    {f"secret:{CANARY}": None},
    of_front_end(sessions={"check": f"postgresql://ada:{CANARY}@db/app"}),
    of_issuer(preset=f"postgresql://db/app?user=ada&password={CANARY}"),
    {"listen": f"redis://:{CANARY}@db"},
    {"headers": {"X-User-Id": f"https://ada:{CANARY}@a"}},
    {"headers": {f"https://ada:{CANARY}@a": "subject"}},
    of_issuer(require_claims={f"https://ada:{CANARY}@a": "x"}),
    of_issuer(require_claims={f'"https://ada:{CANARY}@a"': [[1]]}),
    {"policies": [{"name": "a", "require": {"claims": {f'"https://ada:{CANARY}@a"': {"anyof": ["x"]}}}}]},
    {"issuers": CANARY},
    {"issuers": [CANARY]},
    {"issuers": {"name": "a", "secret": CANARY}},
    {"issuers": [[CANARY]]},
    {"log": CANARY},
    {"headers": [CANARY]},
]


@pytest.mark.parametrize("settings", SECRETS, ids=json.dumps)
def test_no_message_quotes_a_value_that_may_hold_a_secret(settings: dict[str, Any]) -> None:
    text = "\n".join(str(problem) for problem in problems(**settings))
    assert text
    assert CANARY not in text
    assert "7222222" not in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a" * 100, f"'{'a' * 77}...'"),
        ("a\x1b[31m\u00e4\n", r"'a\x1b[31m\xe4\n'"),
        (True, "true"),
        (None, "null"),
        (1.0, "1"),
        pytest.param(10**5000, None, id="a long number"),
        ([1], None),
        ({1: 1}, None),
        (b"x", None),
    ],
)
def test_a_quoted_value_is_short_and_printable(value: object, shown: str | None) -> None:
    assert scalar(value) == shown


def test_the_first_problems_are_reported_and_the_others_are_counted() -> None:
    found = problems(**{f"setting-{number}": 1 for number in range(50_000)})
    assert len(found) == MAX_PROBLEMS
    assert found[0].message == "is not a setting"
    assert found[-1].message == f"has {50_000 - MAX_PROBLEMS + 1} more problems, which are not listed"


def test_a_list_that_is_too_long_is_one_problem() -> None:
    (problem,) = problems(issuers=[{"name": "a", "wrong": 1}] * 1_001)
    assert problem.setting == "issuers"
    assert problem.message == "has 1001 elements; at most 1000 are allowed"


def test_each_part_of_a_problem_is_short() -> None:
    long = "x" * 5_000
    problem = Problem(setting=long, message=long, fix=long)
    assert {len(problem.setting), len(problem.message), len(problem.fix)} == {1_000}


def test_a_question_about_a_name_lists_few_of_many() -> None:
    fix = did_you_mean("x" * 100_000, [f"tenant-{number}" for number in range(1_000)])
    assert fix.startswith("use one of tenant-0, ")
    assert fix.endswith("tenant-49 and 950 more")
