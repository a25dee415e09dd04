"""What every preset of an identity provider has: a page, rows in the tables, a test, examples, and an announcement."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from authgate.config._descriptions import described_fields
from authgate.presets.provider import ProviderIssuer
from authgate.presets.providers import PROVIDERS
from tests.support import commands
from tests.support.issuer import SigningKey
from tests.support.processes import ROOT
from tests.support.provider import Provider, its_tests

if TYPE_CHECKING:
    from pathlib import Path

HEADINGS = [
    "What to copy from the console", "Configuration", "What is checked", "Roles", "Try it", "Traps",
]  # fmt: skip
TABLE = "docs/issuers/README.md"  # docs/generate.py copies it into README.md
OTHER = "https://other.example.com"
# A setting of preset jwt, another value of it, and what is then the issuer's.
OVERRIDDEN: list[tuple[dict[str, Any], str, object]] = [
    ({"issuer": OTHER}, "iss", OTHER),
    ({"audiences": ["another-api"]}, "audiences", {"another-api"}),
    ({"algorithms": ["ES384"]}, "algorithms", {"ES384"}),
    ({"accept": "any"}, "accept", "any"),
    ({"identity": {"roles": "other.roles"}}, "roles", (("other", "roles"),)),
    ({"identity": {"subject": "other_id"}}, "subject", (("other_id",),)),
]
# Google has no JWTs for APIs, so it has ID tokens alone. Tokens for an audience are those of service accounts.
ONE_KIND = ("google",)
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("google", "audiences"): {
        "clients": None,
        "hosted_domains": None,
        "service_accounts": ["scheduler@example-project.iam.gserviceaccount.com"],
    }
}
CASES = [
    (name, {**BESIDE.get((name, field), {}), **settings}, field, value)
    for name in PROVIDERS
    for settings, field, value in OVERRIDDEN
    if not (field == "accept" and name in ONE_KIND)
]


@cache
def foreign_key(algorithm: str) -> Any:
    """Return the private key of another tenant."""
    return SigningKey.new("foreign", algorithm).private


def settings_of(name: str) -> type[ProviderIssuer]:
    settings = PROVIDERS[name].settings
    assert issubclass(settings, ProviderIssuer)
    return settings


@pytest.mark.parametrize("name", PROVIDERS)
def test_its_page_has_the_headings_in_their_order(name: str) -> None:
    assert Provider(name).sections() == HEADINGS


@pytest.mark.parametrize("name", PROVIDERS)
def test_it_has_tests_of_its_tokens_its_documents_and_slips_in_every_setting(name: str) -> None:
    tests, settings = its_tests(name), settings_of(name)
    assert {token.answer == "200" for token in tests.TOKENS} == {True, False}
    assert {slip.setting.partition("[")[0] for slip in tests.SLIPS} >= settings.own_settings() | {*settings.asks}
    assert tests.PUBLISHED
    for test in ("test_a_token_gets_the_right_decision", "test_a_slip_in_the_settings_has_a_message"):
        assert callable(getattr(tests, test))


@pytest.mark.parametrize(("header", "answer"), [({}, "bad_signature"), ({"kid": "of-another-tenant"}, "unknown_key")])
@pytest.mark.parametrize("name", PROVIDERS)
def test_the_key_of_another_tenant_signs_nothing(
    name: str, header: dict[str, str], answer: str, tmp_path: Path
) -> None:
    token = next(token for token in its_tests(name).TOKENS if token.answer == "200")
    provider = Provider(name)
    provider.check(tmp_path, token)
    foreign = replace(token, header={**token.header, **header}, headers={}, detail="", answer=f"401 {answer}")
    provider.check(tmp_path, foreign, key=foreign_key(token.algorithm))


def test_the_table_of_pages_lists_every_provider_in_the_order_of_the_presets() -> None:
    rows = re.findall(r"^\| \[(.*?)\]\((.*?)\.md\) \| `(.*?)` \|", (ROOT / TABLE).read_text(), re.MULTILINE)
    assert rows == [(preset.library, name, name) for name, preset in PROVIDERS.items()]


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_init_asks_for_has_an_example_and_a_description(name: str) -> None:
    settings = settings_of(name)
    assert settings.asks
    for setting in settings.asks:
        field = described_fields(settings)[setting]
        assert field.examples
        assert field.description


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_setting_of_its_own_is_described(name: str) -> None:
    settings = settings_of(name)
    for setting in settings.own_settings():
        assert (described_fields(settings)[setting].description or "").endswith("."), setting


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_configuration_of_its_page_has_no_problem_and_no_warning(name: str, tmp_path: Path) -> None:
    loaded = Provider(name).load(tmp_path)
    assert loaded.problems == ()
    assert Provider(name).prepared(tmp_path).warnings == ()


@pytest.mark.parametrize("name", PROVIDERS)
def test_check_says_in_one_line_what_the_preset_stands_for(name: str, tmp_path: Path) -> None:
    Provider(name).load(tmp_path)
    checked = commands.authgate("check", "--config", tmp_path / "authgate.yaml", environ={})
    assert checked.returncode == 0, checked.stderr
    (line,) = (line for line in checked.stdout.splitlines() if f": preset {name} stands for " in line)
    for text in ("issuer: https://", "A token must have "):
        assert text in line
    assert re.search(r"(discovery: true|jwks_url: https://)", line)


@pytest.mark.parametrize(("name", "settings", "field", "value"), CASES, ids=lambda value: str(value)[:40])
def test_every_value_that_follows_can_be_set(
    name: str, settings: dict[str, Any], field: str, value: object, tmp_path: Path
) -> None:
    algorithm = next(iter(settings.get("algorithms", ["RS256"])))
    (issuer,) = Provider(name).prepared(tmp_path, settings, algorithm=algorithm).snapshot.issuers
    assert (issuer.identity.get(field) or getattr(issuer, field)) == value


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_field_of_the_identity_that_is_set_leaves_the_others_as_they_are(name: str, tmp_path: Path) -> None:
    (before,) = Provider(name).prepared(tmp_path).snapshot.issuers
    written = Provider(name).configuration()["issuers"][0].get("identity", {})
    (after,) = Provider(name).prepared(tmp_path, {"identity": {**written, "acr": "level"}}).snapshot.issuers
    assert after.identity == {**before.identity, "acr": (("level",),)}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_url_of_the_keys_that_is_set_replaces_the_usual_one(name: str, tmp_path: Path) -> None:
    loaded = Provider(name).load(tmp_path, {"jwks_url": f"{OTHER}/keys"})
    assert loaded.problems == ()
    assert loaded.issuers[0].config.key_settings == ("jwks_url",)
    assert loaded.issuers[0].config.given("jwks_url") == f"{OTHER}/keys"
