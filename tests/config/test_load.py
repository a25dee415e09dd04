"""Loading: the file, the environment over it, its secrets, and who is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import MAX_FILE_BYTES, LoadedConfig, load
from tests.support.rejections import assert_only, jwt_file, rejected
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.errors import Problem

GOOD = SECRET.decode()
ISSUERS = f"issuers: [{{name: app, preset: jwt, secret: '{GOOD}', audiences: [api]}}]\n"


def loaded(folder: Path, text: str | bytes, **environ: str) -> LoadedConfig:
    path = folder / "authgate.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(str(path), environ)


def problem(folder: Path, text: str | bytes, **environ: str) -> Problem:
    """Return the first problem: that of the file itself."""
    problems = loaded(folder, text, **environ).problems
    assert problems
    return problems[0]


def test_a_file_with_all_defaults_is_read(tmp_path: Path) -> None:
    text = (
        "listen: 127.0.0.1:4190\nadmin: {listen: 127.0.0.1:4191}\ntrusted_proxies: [127.0.0.0/8, ::1/128]\n"
        "leeway_seconds: 30\ncredentials: [{header: Authorization}, {cookie: access_token}]\n"
        "headers: {X-User-Id: subject, X-User-Email: email, X-User-Name: name, X-User-Roles: roles}\n"
        "csrf: {mode: enforce, allowed_origins: []}\nlog: {format: json, allowed: false}\nworkers: 1\n"
    )
    found = loaded(tmp_path, ISSUERS + text)
    assert (found.problems, found.warnings, found.origin) == ((), (), f"file {tmp_path / 'authgate.yaml'}")
    defaults = load(None, {"JWT_SECRET": GOOD}).config
    assert found.config is not None
    assert defaults is not None
    same = {"listen", "admin", "trusted_proxies", "leeway_seconds", "credentials", "headers", "csrf", "workers"}
    assert found.config.model_dump(include=same) == defaults.model_dump(include=same)


def test_authgate_config_may_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ISSUERS + "listen: 127.0.0.1:1\n", encoding="utf-8")
    found = load(None, {"AUTHGATE_CONFIG": str(tmp_path / "a.yaml")})
    assert found.config is not None
    assert (found.problems, found.config.listen) == ((), "127.0.0.1:1")


def test_without_a_mapping_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", GOOD)
    assert [issuer.secrets for issuer in load().issuers] == [(SECRET,)]


def test_the_environment_overrides_the_file_setting_by_setting(tmp_path: Path) -> None:
    text = ISSUERS + "log: {format: text, allowed: true}\nlisten: 127.0.0.1:1\n"
    config = loaded(tmp_path, text, AUTHGATE_LOG__FORMAT="json", AUTHGATE_CSRF__MODE="off").config
    assert config is not None
    assert (config.log.format, config.log.allowed, config.listen) == ("json", True, "127.0.0.1:1")
    assert config.csrf.mode == "off"


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_an_empty_file_is_a_mistake_and_not_a_configuration_without_policies(tmp_path: Path, text: str) -> None:
    found = problem(tmp_path, text, JWT_SECRET=GOOD)
    assert (found.setting, found.message) == (str(tmp_path / "authgate.yaml"), "is empty")


@pytest.mark.parametrize("text", ["# nothing\n", "log: {format: json}\n", "issuers: []\n"])
def test_without_issuers_in_the_file_they_come_from_the_environment(tmp_path: Path, text: str) -> None:
    found = loaded(tmp_path, text, JWT_SECRET=GOOD)
    assert (found.problems, [issuer.secrets for issuer in found.issuers]) == ((), [(SECRET,)])


_ISSUERS = "issuers:\n  - name: app\n    preset: "
_JWT, _BETTER_AUTH = f"{_ISSUERS}jwt\n    secret: '{GOOD}'\n", f"{_ISSUERS}better-auth\n    secret: '{GOOD}'\n"
# The beginning of a file, and the setting whose lines are all comments.
WITHOUT_A_VALUE = [
    ("", "issuers"),
    (ISSUERS, "policies"),
    (ISSUERS, "tls"),
    (ISSUERS + "tls:\n  certificate_file: a\n  key_file: b\n  client_ca_file: c\n", "  client_names"),
    (_JWT, "    audiences"),
    *(
        (f"{_JWT}    audiences: any\n", f"    {name}")
        for name in ("issuer", "algorithms", "identity", "require_claims")
    ),
    *((_BETTER_AUTH, f"    {name}") for name in ("issuer", "audiences", "algorithms", "identity")),
]


@pytest.mark.parametrize(("text", "name"), WITHOUT_A_VALUE)
def test_a_setting_without_a_value_does_not_mean_all_or_none(text: str, name: str, tmp_path: Path) -> None:
    problems = loaded(tmp_path, f"{text}{name}:\n# - a\n", JWT_SECRET=GOOD, AUTHGATE_AUDIENCE="a").problems
    found = [(problem.setting, problem.message) for problem in problems]
    group = "issuers[0]." if name.startswith("    ") else "tls." if name.startswith("  ") else ""
    assert (group + name.strip(), "is null: set it, or leave it out") in found
    assert not [message for setting, message in found if "has no effect" in message and name == "issuers"]


@pytest.mark.parametrize("mode", ["off", "'off'"])
def test_a_bare_off_turns_csrf_off_as_documented(tmp_path: Path, mode: str) -> None:
    config = loaded(tmp_path, ISSUERS + f"csrf: {{mode: {mode}}}\n").config
    assert config is not None
    assert config.csrf.mode == "off"


@pytest.mark.parametrize("text", ["- a\n", "text", "42", "{1: a}", "{true: a}"])
def test_a_document_that_is_not_a_mapping_of_settings_is_rejected(tmp_path: Path, text: str) -> None:
    assert problem(tmp_path, text).message == "not a mapping of settings"


def test_a_file_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        found = load(str(path), {}).problems[0]
        assert (found.setting, found.message.partition(":")[0]) == ("configuration file", f"cannot read {path}")
    assert "decode" in problem(tmp_path, b"\xff\xfe").message
    assert "longer than" in problem(tmp_path, b" " * (MAX_FILE_BYTES + 1)).message


@pytest.mark.parametrize("text", ["issuers: {name: app}\n", "issuers: 5\n", "issuers: [5, app]\n"])
def test_issuers_that_are_not_a_list_of_mappings_are_rejected(tmp_path: Path, text: str) -> None:
    found = loaded(tmp_path, text)
    assert (found.config, found.issuers) == (None, ())
    assert all(problem.setting.startswith("issuers") for problem in found.problems)


def test_a_part_from_the_environment_replaces_a_value_of_the_file_that_is_not_a_mapping(tmp_path: Path) -> None:
    config = loaded(tmp_path, ISSUERS + "log: text\n", AUTHGATE_LOG__FORMAT="json").config
    assert config is not None
    assert config.log.format == "json"


def test_the_loaded_configuration_does_not_show_a_secret(tmp_path: Path) -> None:
    found: Any = loaded(tmp_path, ISSUERS)
    assert found.issuers[0].secrets == (SECRET,)
    assert GOOD not in repr(found)


def test_everybody_is_trusted_only_with_the_unsafe_switch(tmp_path: Path) -> None:
    for network in ("0.0.0.0/0", "::/0"):
        path = jwt_file(tmp_path, {"secret": GOOD}, trusted_proxies=["10.0.0.0/8", network])
        assert_only(rejected(path), "trusted_proxies", f"{network} trusts everybody")
        assert wiring.prepare(load(str(path), {"AUTHGATE_UNSAFE_TRUST_ALL_PROXIES": "true"})).config
