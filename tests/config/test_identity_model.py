"""The settings of an issuer about claims: mistakes are named, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.config._descriptions import described_fields
from authgate.config.identity_model import IdentityConfig
from authgate.core.identity import FIELDS
from authgate.presets.jwt import JwtIssuer
from tests.support.rejections import GOOD, assert_only, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

# The settings of an issuer, which of them is wrong, and a part of the message and of the fix.
MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"identity": {}}, "identity", "is empty: name the claim", "The claims of JWTs"),
    ({"identity": "sub"}, "identity", "not a mapping", "{subject: oid}"),
    ({"identity": {"subject": None}}, "identity.subject", "null is not a list", "write a list"),
    ({"identity": {"subject": []}}, "identity.subject", "is empty", "A claim path"),
    ({"identity": {"subject": ""}}, "identity.subject[0]", "is empty", "A claim path"),
    ({"identity": {"subject": "a..b"}}, "identity.subject[0]", "is not the path of a claim", "write names joined"),
    ({"identity": {"subject": ["sub"] * 9}}, "identity.subject", "at most 8", "A claim path"),
    ({"identity": {"roles": ["a", "https://a.b/c"]}}, "identity.roles[1]", "not in quotes", """'"https://a.b/c"'"""),
    ({"identity": {"sub": "oid"}}, "identity.sub", "is not a setting", "did you mean subject?"),
    ({"identity": {"rols": "a"}}, "identity.rols", "is not a setting", "did you mean roles?"),
    ({"identity": {"expires_at": "e"}}, "identity.expires_at", "is not a setting", "always reads it from exp"),
    ({"identity": {"issued_at": "i"}}, "identity.issued_at", "is not a setting", "always reads it from iat"),
    ({"identity": {"issuer": "i"}}, "identity.issuer", "is not a setting", "the `name` of the issuer"),
    ({"require_claims": {}}, "require_claims", "is empty", "Claims that must have"),
    ({"require_claims": ["a"]}, "require_claims", "not a mapping", "Claims that must have"),
    ({"require_claims": {"a": []}}, "require_claims.a", "is empty", "Claims that must have"),
    ({"require_claims": {"a": None}}, "require_claims.a", "null is not a list", "write a list"),
    ({"require_claims": {"a": [None]}}, "require_claims.a[0]", "is not text, a number", "Claims that must have"),
    ({"require_claims": {"a": [["b"]]}}, "require_claims.a[0]", "is not text, a number", "Claims that must have"),
    ({"require_claims": {"a": {"b": "c"}}}, "require_claims.a[0]", "is not text, a number", "Claims that must have"),
    ({"require_claims": {"https://a/b": "c"}}, "require_claims.'https://a/b'", "not in quotes", """'"https://a/b"'"""),
    ({"required_claims": ["exp", "https://a/b"]}, "required_claims[1]", "not in quotes", """'"https://a/b"'"""),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "setting", "message", "fix"), MISTAKES, ids=[str(row[0]) for row in MISTAKES])
def test_a_mistake_is_refused(settings: dict[str, Any], setting: str, message: str, fix: str, tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD} | settings))
    assert_only(problems, f"issuers[0].{setting}", message)
    assert fix in problems[0].fix


def test_several_mistakes_come_in_one_report(tmp_path: Path) -> None:
    wrong = {"identity": {"expires_at": "e", "roles": "https://a.b/c"}, "require_claims": {"a": []}}
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD} | wrong))
    names = {"identity.expires_at", "identity.roles[0]", "require_claims.a"}
    assert {problem.setting.removeprefix("issuers[0].") for problem in problems} == names


def test_every_field_is_mapped_or_the_refusal_says_why_not() -> None:
    assert {*IdentityConfig.model_fields} | {*IdentityConfig.not_settings} == {*FIELDS, "not_before", "claims"}


def test_the_description_of_require_claims_says_that_its_values_are_shown() -> None:
    """`check` and the messages about wrong_claim quote them, so that people can compare them with a token."""
    description = described_fields(JwtIssuer)["require_claims"].description
    assert description is not None
    assert "no secrets" in description
