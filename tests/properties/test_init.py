"""What `authgate init` writes is what was typed, whatever it is: YAML quotes what it would read as something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from authgate.cli._init_form import forms
from authgate.cli._init_text import text
from authgate.config import _yaml
from authgate.config._yaml import in_one_line
from authgate.config.load import load_settings
from authgate.wiring import prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMS = forms()
KEYCLOAK = {"realm_url": "https://sso.example.com/realms/shop", "clients": ["tasks-web"]}
# Each example prepares a whole configuration, which takes long.
few = tried_with(max_examples=10)


def read_back(preset: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the issuer that AuthGate reads from what `init` writes for *settings*."""
    form = FORMS[preset]
    prepared = prepare(load_settings({"issuers": [form.issuer(settings)]}))
    document = _yaml.parse(text(form, settings, prepared))
    assert document.repeated_keys == ()
    (issuer,) = document.value["issuers"]
    assert document.value.keys() == {"issuers", "headers"}
    return dict(issuer)


@given(st.text() | st.lists(st.text(), min_size=1, max_size=4) | st.dictionaries(st.text(), st.text(), min_size=1))
@example(
    ["yes", "no", "null", "~", "1e3", "0x10", "2026-01-01", "=", "<<", "::1", "- a", "? b", "!c", "&d", "*e", "%f"]
)
@example(
    ["a\nb", "a\r\nb", "\u2028", "\u0085", "\ufeff", "😀", "a: b", "c #d", "{e}", "[f", "'", '"', "\\", " g ", "\t"]
)
@example(["\n\nissuers: []", "x\n  - name: other"])
def test_every_value_is_read_back_from_its_line(value: object) -> None:
    line = in_one_line("setting", value)
    assert line.splitlines() == [line]
    assert _yaml.parse(line).value == {"setting": value}


@few
@given(st.lists(st.text(), min_size=1, max_size=4))
@example(["yes", "2026-01-01", "a\nb", "\u2028", "c #d"])
def test_every_accepted_list_of_texts_is_read_back(clients: list[str]) -> None:
    settings = KEYCLOAK | {"clients": clients}
    if not FORMS["keycloak"].problems(settings):
        assert read_back("keycloak", settings)["clients"] == clients


@few
@given(st.text().map(lambda text: f"https://sso.example.com/realms/{text}"))
@example("https://sso.example.com/realms/a'b")
@example("https://sso.example.com/realms/#x")
@example("https://sso.example.com/realms/x: y")
def test_every_accepted_url_is_read_back(url: str) -> None:
    settings = KEYCLOAK | {"realm_url": url}
    if not FORMS["keycloak"].problems(settings):
        assert read_back("keycloak", settings)["realm_url"] == url


@few
@given(st.text(), st.text())
@example("::1", "any")
@example("yes\nno", "true")
def test_every_accepted_text_of_preset_jwt_is_read_back(issuer: str, audience: str) -> None:
    settings = {"issuer": f"https://login.example.com/{issuer}", "audiences": [audience]}
    if not FORMS["jwt"].problems(settings):
        written = read_back("jwt", settings)
        assert {name: written[name] for name in settings} == settings
