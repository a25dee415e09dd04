"""A secret that is pasted in place of an ID is refused, and nothing shows it: neither `check` nor `init`."""

from __future__ import annotations

import re
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authgate.cli._init_form import forms
from authgate.config._annotations import is_list
from authgate.config._outbound import redacted
from authgate.config._secret_forms import NOT_SHOWN, known_secret
from authgate.config.load import load_settings
from authgate.presets.providers import PROVIDERS
from tests.support import commands
from tests.support.provider import Provider

if TYPE_CHECKING:
    from pathlib import Path

FORMS = forms()
SECRET = "Zq9WxTk3LmVb7RnYc2HpDf5G"
TOKEN = f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.{SECRET}"
# One of every form that is known.
KNOWN = (
    f"sk_live_{SECRET}",
    f"sk_test_{SECRET}",
    f"sb_secret_{SECRET}",
    f"GOCSPX-{SECRET}",
    f"a1B8Q~{SECRET}xYz_-.4567",
    f"00{SECRET}aB3_-xYzUvW456Qr",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    TOKEN,
    f"eyJhbGciOiJkaXIifQ..{SECRET}.{SECRET}.{SECRET}",  # encrypted (RFC 7516)
)
# Settings of preset jwt in which an ID may be.
OF_JWT = ("name", "issuer", "audiences", "jwks_url", "subject_prefix", "token_types", "required_claims")
SETTINGS = [
    (name, setting)
    for name, preset in PROVIDERS.items()
    for setting in sorted({*preset.settings.own_settings(), *OF_JWT})
]
ISSUERS = {name: Provider(name).configuration()["issuers"][0] for name in PROVIDERS}
EXAMPLES = [
    str(example)
    for preset in PROVIDERS.values()
    for field in preset.settings.model_fields.values()
    for example in field.examples or ()
]


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and everything that it shows."""
    ended = commands.authgate(*arguments, environ={})
    return ended.returncode, ended.stdout + ended.stderr


def holds(text: str) -> bool:
    """Whether *text* holds the secret, also a part of it, in upper or lower case."""
    return SECRET.lower()[:8] in text.lower()


def values(name: str, setting: str, secret: str) -> list[Any]:
    """Return what somebody may write in *setting* with *secret* in it."""
    takes_list = is_list(PROVIDERS[name].settings.model_fields[setting].annotation)
    return [secret, f"https://{secret}", *([["https://api.example.com", secret]] if takes_list else [])]


def problems(name: str, settings: dict[str, Any]) -> list[str]:
    """Return the problems of the issuer of the provider's page with *settings*, as `check` prints them."""
    return [str(problem) for problem in load_settings({"issuers": [ISSUERS[name] | settings]}).problems]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_known_secret_is_refused_in_every_setting_and_not_shown(name: str, setting: str) -> None:
    for secret in KNOWN:
        for value in values(name, setting, secret):
            found = problems(name, {setting: value})
            what = rf"holds {re.escape(known_secret(secret))}, .*docs/issuers/{name}.md says what to copy"
            assert any(re.match(rf"issuers\[0\]\.{setting}(\[\d\])?: {what}", text) for text in found), found
            assert not holds("".join(found))


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_long_value_of_letters_and_digits_is_not_shown_if_it_is_refused(name: str, setting: str) -> None:
    for secret in (SECRET * 2, f"{SECRET}+{SECRET}=\n", SECRET.lower() * 3, SECRET * 6):
        for value in (secret, [secret]):
            assert not holds("".join(problems(name, {setting: value})))


@pytest.mark.parametrize("name", PROVIDERS)
def test_check_does_not_show_a_secret(name: str, tmp_path: Path) -> None:
    setting = FORMS[name].asks[0]
    file = tmp_path / "authgate.yaml"
    for secret in KNOWN:
        file.write_text(yaml.safe_dump(Provider(name).configuration({setting: secret})))
        code, shown = run("check", "--config", str(file))
        assert code == 78
        assert f"{setting}: holds {known_secret(secret)}" in shown
        assert not holds(shown)


@pytest.mark.parametrize("name", PROVIDERS)
def test_init_does_not_show_or_write_a_secret_that_is_given_as_an_option(name: str, tmp_path: Path) -> None:
    form, output = FORMS[name], tmp_path / "authgate.yaml"
    secrets = cycle(KNOWN)
    for setting in (*form.options, "name"):
        given = {asked: form.example(asked) for asked in form.asks} | {setting: next(secrets)}
        options = [f"--{option.replace('_', '-')}={value}" for option, value in given.items()]
        code, shown = run("init", name, *options, "--output", str(output))
        assert code == 2
        assert not holds(shown)
        assert not output.exists()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_secret_in_place_of_a_claim_or_of_the_name_of_a_setting_is_not_shown(name: str) -> None:
    for secret in KNOWN:
        for settings in (
            {"require_claims": {"azp": [secret]}},
            {"require_claims": {secret: ["x"]}},
            {"identity": {"roles": secret}},
            {"identity": {secret: "roles"}},
            {secret: "x"},
        ):
            found = problems(name, settings)
            assert found
            assert not holds("".join(found))


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_shared_secret_may_have_any_form(name: str) -> None:
    for secret in KNOWN:
        assert "not shown" not in "".join(problems(name, {"secret": secret, "algorithms": ["HS256"]}))


def test_every_mistake_is_reported_beside_a_secret(tmp_path: Path) -> None:
    problems = Provider("entra").problems(
        tmp_path, {"audiences": ["x", f"GOCSPX-{SECRET}"], "tenant": "a b", "color": 1}
    )
    assert {"audiences[1]", "tenant", "color"} <= {*problems}


@pytest.mark.parametrize("value", EXAMPLES)
def test_the_examples_of_settings_are_shown_in_messages(value: str) -> None:
    is_long = len(value) >= 40 and "." not in value and "/" not in value
    assert (redacted(value) == NOT_SHOWN) is is_long
    assert known_secret(value) == ""


@pytest.mark.parametrize(
    "value",
    [
        "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
        "api://0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36/Tasks.Read",
        "https://sts.windows.net/5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8/",
        "1234567890-abc123def456.apps.googleusercontent.com",
        "system:serviceaccount:shop-production-europe-west-1:worker-2",
        "0oa1a2b3c4D5e6F7g8h9",
        "a-rather-long-name-of-a-namespace-without-any-digit",
    ],
)
def test_ids_are_shown_in_messages(value: str) -> None:
    assert redacted(value) == f"'{value}'"


# Settings that list IDs, and may be the word any instead.
TAKES_ANY = {("entra", "tenants"), ("zitadel", "clients"), ("kubernetes", "namespaces")}
LISTS = [
    (name, setting)
    for name, preset in PROVIDERS.items()
    for setting in sorted(preset.settings.own_settings())
    if is_list(preset.settings.model_fields[setting].annotation)
]


@pytest.mark.parametrize(("name", "setting"), LISTS)
def test_the_word_any_is_no_id(name: str, setting: str) -> None:
    takes_any = (name, setting) in TAKES_ANY
    where = f"issuers[0].{setting}: "
    assert any(f"{where}does not take any" in text for text in problems(name, {setting: "any"})) is not takes_any
    for value in (["any"], ["x", "any"]):
        found = "".join(problems(name, {setting: value}))
        assert f"{where}lists any" in found
        assert (f"write {setting}: any, without brackets" in found) is takes_any


def test_check_escapes_control_characters_of_accepted_values(tmp_path: Path) -> None:
    odd = "api://0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36/\x1b[31mred\u202e\nlisten: 0.0.0.0:80"
    file = tmp_path / "authgate.yaml"
    file.write_text(yaml.safe_dump(Provider("entra").configuration({"audiences": [odd]})))
    code, shown = run("check", "--config", str(file))
    assert code == 0
    assert f"aud {odd[:43]}\\x1b[31mred\\u202e\\nlisten" in shown
    assert not {"\x1b", "\u202e"} & {*shown}
    assert not re.search("^listen: 0", shown, re.MULTILINE)


@given(st.sampled_from(KNOWN), st.text(), st.text())
def test_a_known_secret_is_not_quoted_whatever_is_around_it(secret: str, before: str, after: str) -> None:
    text = f"{before} {secret} {after}"
    assert redacted(text) == NOT_SHOWN or not holds(redacted(text))


@given(st.text(st.sampled_from("abcXYZ019-_+=~"), min_size=40, max_size=200))
def test_a_long_mixed_text_is_not_quoted(text: str) -> None:
    is_mixed = bool(re.search("[a-zA-Z]", text) and re.search("[0-9]", text))
    assert (redacted(text) == NOT_SHOWN) is is_mixed or known_secret(text)
