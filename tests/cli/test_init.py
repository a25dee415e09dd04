"""`authgate init`: it asks for the values of a provider, or takes them as options, and writes a configuration."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml

from authgate.cli._init_form import forms
from authgate.cli._init_text import EXAMPLE_POLICIES
from authgate.config.load import load
from authgate.presets.provider import ProviderIssuer
from authgate.presets.providers import PROVIDERS
from authgate.presets.settings import FETCH_SETTINGS, KEY_SETTINGS
from authgate.wiring import prepare
from tests.support import commands

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from authgate.app import Prepared
    from authgate.cli._init_form import Form

FORMS = forms()
REALM = "https://sso.example.com/realms/shop"
TENANT, CLIENT = "5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8", "0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36"
OF_EKS = "https://oidc.eks.eu-central-1.amazonaws.com/id/0A1B2C3D4E5F60718293A4B5C6D7E8F9"


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.authgate("init", *arguments, "--output", folder / "authgate.yaml", environ={})


def typed_in_terminal(folder: Path, *arguments: str, typed: str) -> tuple[int, str]:
    """Run `init` in a terminal; return its exit code and what it shows, with the breaks of lines as spaces."""
    output = ("--output", folder / "authgate.yaml")
    code, shown = commands.in_terminal("init", *arguments, *output, environ={}, typed=typed)
    return code, " ".join(shown.split())


def examples(form: Form) -> list[str]:
    """Return the options that set what *form* asks for to its examples."""
    return [part for name in form.asks for part in (f"--{name.replace('_', '-')}", form.example(name))]


def written(folder: Path) -> Prepared:
    """Return the written configuration, made ready."""
    return prepare(load(str(folder / "authgate.yaml"), {}))


def first_issuer(folder: Path) -> dict[str, object]:
    (issuer,) = yaml.safe_load((folder / "authgate.yaml").read_text())["issuers"]
    return dict(issuer)


def test_alone_it_lists_every_provider_with_what_it_asks_for() -> None:
    listed = commands.authgate("init", environ={})
    assert listed.returncode == 0
    for name, form in FORMS.items():
        assert re.search(rf"^  {name} +{form.title}: {form.asks[0]}", listed.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", FORMS)
def test_the_help_of_a_provider_lists_its_settings_within_80_columns(name: str) -> None:
    shown = commands.authgate("init", name, "--help", environ={}).stdout
    for option in (*FORMS[name].options, "name", "output", "force"):
        assert f"\n  --{option.replace('_', '-')}" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", FORMS)
def test_what_is_written_for_the_examples_has_no_problem_and_no_warning(name: str, tmp_path: Path) -> None:
    ended = init(tmp_path, name, *examples(FORMS[name]))
    assert (ended.returncode, ended.stderr) == (0, "")
    prepared = written(tmp_path)
    assert prepared.warnings == ()
    assert (prepared.config.issuers[0].name, prepared.config.issuers[0].preset) == (name, name)
    assert prepared.config.headers == {
        "X-User-Id": "subject", "X-User-Email": "email", "X-User-Name": "name", "X-User-Roles": "roles",
    }  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_setting_has_a_comment_and_the_page_is_named(name: str, tmp_path: Path) -> None:
    init(tmp_path, name, *examples(FORMS[name]))
    lines = (tmp_path / "authgate.yaml").read_text().splitlines()
    issuer = lines[lines.index("issuers:") + 1 : lines.index("headers:")]
    for before, line in pairwise(issuer):
        assert not re.match(r"    [a-z]|  - ", line) or before.lstrip().startswith("# "), line
    assert FORMS[name].page in lines[0]


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_lines_that_the_preset_stands_for_can_take_their_place(name: str, tmp_path: Path) -> None:
    init(tmp_path, name, *examples(FORMS[name]))
    file = tmp_path / "authgate.yaml"
    before = written(tmp_path).config.issuers[0]
    commented = r"^    # ((?:issuer|audiences|algorithms|jwks_url|discovery|identity): .*)$"
    text, count = re.subn(commented, r"    \1", file.read_text(), flags=re.MULTILINE)
    file.write_text(text)
    after = written(tmp_path).config.issuers[0]
    assert count >= 2  # issuer, where the keys are
    for setting in ("issuer", "audiences", "algorithms", "jwks_url", "discovery"):
        assert after.given(setting) == before.given(setting)


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_claim_of_roles_is_named_unless_the_preset_stands_for_one(name: str, tmp_path: Path) -> None:
    init(tmp_path, name, *examples(FORMS[name]))
    comments = (tmp_path / "authgate.yaml").read_text().partition("The preset stands for")[2].partition("headers:")[0]
    config = written(tmp_path).config.issuers[0]
    assert isinstance(config, ProviderIssuer)
    assert ("roles:" in comments) is ("roles" in config.facts().identity)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_single_line_that_the_preset_stands_for_changes_nothing(name: str, tmp_path: Path) -> None:
    init(tmp_path, name, *examples(FORMS[name]))
    file = tmp_path / "authgate.yaml"
    content, before = file.read_text(), _meaning(written(tmp_path))
    stands_for = content.partition("The preset stands for")[2].partition("\n    #\n")[0]
    lines = [line for line in stands_for.splitlines() if re.match(r"    # [a-z_]+: ", line)]
    assert len(lines) >= 2
    for line in lines:
        file.write_text(content.replace(line, line.replace("# ", "", 1)))
        assert _meaning(written(tmp_path)) == before, line


def _meaning(prepared: Prepared) -> tuple[object, ...]:
    """Return all that the tokens of the only issuer must be, where its keys are, and the warnings."""
    (issuer,), (config,) = prepared.snapshot.issuers, prepared.config.issuers
    return issuer, [config.given(one) for one in (*KEY_SETTINGS, *FETCH_SETTINGS)], prepared.warnings


def test_the_claim_of_roles_that_people_add_at_auth0_is_shown(tmp_path: Path) -> None:
    init(tmp_path, "auth0", *examples(FORMS["auth0"]))
    file = tmp_path / "authgate.yaml"
    line = """identity: {roles: '"https://example.com/roles"'}"""
    assert f"    # {line}\n" in file.read_text()
    file.write_text(file.read_text().replace(f"# {line}", line))
    assert written(tmp_path).snapshot.issuers[0].identity["roles"] == (("https://example.com/roles",),)


def test_the_example_policies_are_sound(tmp_path: Path) -> None:
    init(tmp_path, "keycloak", *examples(FORMS["keycloak"]))
    file = tmp_path / "authgate.yaml"
    commented = "".join(f"# {line}\n" for line in EXAMPLE_POLICIES.splitlines())
    assert commented in file.read_text()
    file.write_text(file.read_text().replace(commented, EXAMPLE_POLICIES))
    prepared = written(tmp_path)
    assert [policy.name for policy in prepared.snapshot.policies.policies] == ["health", "admin", "app"]
    assert prepared.warnings == ()


def test_options_of_several_values_are_lists_and_the_name_is_free(tmp_path: Path) -> None:
    options = (
        "--realm-url",
        f" {REALM}/ ",
        "--clients",
        "tasks-web, tasks-cli,",
        "--audiences",
        "any",
        "--name",
        "sso",
    )
    ended = init(tmp_path, "keycloak", *options)
    assert ended.returncode == 0, ended.stderr
    assert first_issuer(tmp_path) == {
        "name": "sso", "preset": "keycloak", "realm_url": f"{REALM}/", "clients": ["tasks-web", "tasks-cli"],
        "audiences": "any",
    }  # fmt: skip


def test_the_file_can_be_read_by_everybody_and_nothing_else_is_left(tmp_path: Path) -> None:
    init(tmp_path, "keycloak", *examples(FORMS["keycloak"]))
    assert [file.name for file in tmp_path.iterdir()] == ["authgate.yaml"]
    assert (tmp_path / "authgate.yaml").stat().st_mode & 0o777 == 0o644


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    file = tmp_path / "authgate.yaml"
    file.write_text("mine\n")
    refused = init(tmp_path, "keycloak", *examples(FORMS["keycloak"]))
    assert refused.returncode == 1
    assert "exists" in refused.stderr
    assert file.read_text() == "mine\n"
    assert init(tmp_path, "keycloak", "--force", *examples(FORMS["keycloak"])).returncode == 0
    assert first_issuer(tmp_path)["name"] == "keycloak"


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    refused = init(tmp_path / "none", "keycloak", *examples(FORMS["keycloak"]))
    assert refused.returncode == 1
    assert "cannot write" in refused.stderr


def test_a_minus_writes_the_configuration_alone_to_standard_output() -> None:
    ended = commands.authgate("init", "keycloak", *examples(FORMS["keycloak"]), "--output", "-", environ={})
    assert yaml.safe_load(ended.stdout)["issuers"][0]["realm_url"] == REALM
    assert "authgate check --config authgate.yaml --fetch" in ended.stderr


def test_the_next_steps_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my file.yaml"
    ended = commands.authgate("init", "keycloak", *examples(FORMS["keycloak"]), "--output", file, environ={})
    assert f"authgate check --config '{file}' --fetch" in ended.stdout
    assert f"authgate explain --config '{file}'" in ended.stdout


@pytest.mark.parametrize("name", FORMS)
def test_without_a_terminal_the_missing_options_are_listed(name: str, tmp_path: Path) -> None:
    ended = init(tmp_path, name)
    assert ended.returncode == 2
    first = FORMS[name].asks[0].replace("_", "-")  # audiences: where they are needed without it
    assert re.search(rf"^  --({first}|audiences): is missing", ended.stderr, re.MULTILINE), ended.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("keycloak", ["--realm-url", "--audiences"]),
        ("okta", ["--domain", "--audiences"]),
        ("zitadel", ["--domain", "--project-id", "--clients"]),
        ("google", ["--audiences"]),
    ],
)
def test_all_missing_options_are_listed_in_one_run(name: str, options: list[str], tmp_path: Path) -> None:
    listed = re.findall(r"^  (--[\w-]+): is missing", init(tmp_path, name).stderr, re.MULTILINE)
    assert sorted(listed) == sorted(options)


def test_a_missing_option_that_another_one_replaces_is_listed_with_it(tmp_path: Path) -> None:
    ended = init(tmp_path, "keycloak", "--realm-url", REALM)
    assert ended.returncode == 2
    assert "--audiences: is missing" in ended.stderr
    assert "or set clients" in ended.stderr
    assert "--realm-url" not in ended.stderr


def test_wrong_options_are_listed_with_the_messages_of_check(tmp_path: Path) -> None:
    ended = init(tmp_path, "keycloak", "--realm-url", "https://sso.example.com", "--name", "My SSO", "--clients", ",")
    assert ended.returncode == 2
    for text in ("--realm-url: 'https://sso.example.com' is not the URL of a realm", "--name: 'My SSO' is not a valid"):
        assert text in ended.stderr
    assert "--clients: is empty" in ended.stderr
    assert not any(tmp_path.iterdir())


def test_a_secret_in_place_of_a_public_key_is_not_shown(tmp_path: Path) -> None:
    ended = init(tmp_path, "clerk", "--publishable-key", "sk_live_0123456789", "--authorized-parties", "https://a.b")
    assert "--publishable-key: holds a secret key of Clerk" in ended.stderr
    assert "0123456789" not in ended.stderr + ended.stdout


def test_the_address_of_the_metadata_is_not_the_issuer(tmp_path: Path) -> None:
    url = "https://login.example.com/.well-known/openid-configuration"
    ended = init(tmp_path, "jwt", "--issuer", url, "--audiences", "a")
    assert ended.returncode == 2
    assert "--issuer: " in ended.stderr
    assert "is the address of a document" in ended.stderr


def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path) -> None:
    ended = init(tmp_path, "keycloak", "--realm-url", REALM, "--audiences", "account")
    assert ended.returncode == 0
    assert "warning: issuer keycloak: audiences: [account] accepts" in ended.stderr


def test_a_misspelt_provider_gets_the_right_name_and_a_token_is_not_printed() -> None:
    misspelt = commands.authgate("init", "keyclok", environ={})
    assert misspelt.returncode == 2
    assert "did you mean keycloak?" in misspelt.stderr
    token = commands.authgate("init", "eyJhbGciOiJub25lIn0.e30.", environ={})
    assert "There is no provider of this name" in token.stderr
    assert "eyJ" not in token.stderr


@pytest.mark.parametrize(
    ("typed", "meant"), [("azure", "entra"), ("Microsoft", "entra"), ("aws", "cognito"), ("gcp", "google")]
)
def test_other_names_of_a_provider_get_the_right_one(typed: str, meant: str) -> None:
    assert f"did you mean {meant}?" in commands.authgate("init", typed, environ={}).stderr


def test_kubernetes_says_that_authgate_runs_in_the_cluster_unless_the_issuer_is_another(tmp_path: Path) -> None:
    init(tmp_path, "kubernetes", *examples(FORMS["kubernetes"]))
    assert first_issuer(tmp_path)["in_cluster"] is True
    for options, stated in ((("--in-cluster", "false", "--issuer", OF_EKS), False), (("--issuer", OF_EKS), None)):
        assert init(tmp_path, "kubernetes", "--force", *options, *examples(FORMS["kubernetes"])).returncode == 0
        assert first_issuer(tmp_path).get("in_cluster") is stated


def test_it_asks_again_until_the_value_is_right(tmp_path: Path) -> None:
    code, shown = typed_in_terminal(tmp_path, "keycloak", typed=f"\nsso\nhttp://sso/realms/x\n{REALM}\na, b")
    assert code == 0, shown
    for text in ("realm_url: is missing", "'sso' is not an https URL", "is plain http", "Next:"):
        assert text in shown
    assert first_issuer(tmp_path) == {
        "name": "keycloak", "preset": "keycloak", "realm_url": REALM, "clients": ["a", "b"],
    }  # fmt: skip


def test_a_value_that_another_one_replaces_may_be_left_out(tmp_path: Path) -> None:
    code, shown = typed_in_terminal(tmp_path, "keycloak", typed=f"{REALM}\n\ntasks-api")
    assert code == 0, shown
    assert "Leave it empty to set audiences instead." in shown
    assert first_issuer(tmp_path)["audiences"] == ["tasks-api"]
    assert "clients" not in first_issuer(tmp_path)


@pytest.mark.parametrize(
    ("name", "typed", "settings"),
    [
        ("kubernetes", "https://api.example.com\n\nshop, web", {"namespaces": ["shop", "web"]}),
        ("kubernetes", "https://api.example.com\n\n\nshop/worker", {"service_accounts": ["shop/worker"]}),
        ("supabase", "\nhttps://db.example.com", {"project_url": "https://db.example.com"}),
        ("entra", f"\nno-guid!\n{TENANT}\n{CLIENT}", {"tenants": [TENANT], "audiences": [CLIENT]}),
        (
            "google",
            "\nhttps://api.example.com\na@b.iam.gserviceaccount.com",
            {"audiences": ["https://api.example.com"]},
        ),
    ],
)
def test_what_may_be_set_instead_is_asked_for(
    name: str, typed: str, settings: dict[str, object], tmp_path: Path
) -> None:
    code, shown = typed_in_terminal(tmp_path, name, typed=typed)
    assert code == 0, shown
    assert first_issuer(tmp_path).items() >= settings.items()


def test_it_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    code, shown = typed_in_terminal(tmp_path, "keycloak", "--audiences", "tasks-api", typed=REALM)
    assert code == 0, shown
    assert "realm_url: " in shown
    assert "clients: " not in shown


def test_a_value_that_has_a_default_may_be_left_out_or_given(tmp_path: Path) -> None:
    code, shown = typed_in_terminal(tmp_path, "okta", typed="acme.okta.com\n\napi://default")
    assert code == 0, shown
    assert "authorization_server [default]: " in shown
    assert "authorization_server" not in first_issuer(tmp_path)
    code, shown = typed_in_terminal(tmp_path, "okta", "--force", typed="acme.okta.com\naus9o8wzkhckw9TLa0h7\napi://x")
    assert code == 0, shown
    assert first_issuer(tmp_path)["authorization_server"] == "aus9o8wzkhckw9TLa0h7"


def test_of_a_complete_configuration_nothing_is_asked(tmp_path: Path) -> None:
    options = ("--domain", "acme.okta.com", "--audiences", "api://default")
    code, shown = typed_in_terminal(tmp_path, "okta", *options, typed="")
    assert code == 0, shown
    assert "authorization_server" not in shown


def test_the_end_of_the_input_writes_nothing(tmp_path: Path) -> None:
    code, shown = typed_in_terminal(tmp_path, "keycloak", typed="")
    assert code == 1
    assert "Aborted!" in shown
    assert not any(tmp_path.iterdir())
