"""What `check` and the start-up log warn of at issuers of JWTs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import load
from tests.support.rejections import GOOD, OTHER, jwt_file
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    from pathlib import Path

SIGNING = public_jwk("ES256") | {"kid": "s", "use": "sig"}
ENCRYPTING = public_jwk("RS256") | {"kid": "e", "use": "enc"}
MISSPELLED = public_jwk("RS256") | {"kid": "m", "use": "SIG"}
FAULT = "skipped key 'm': 'use' does not allow verifying"
EVERY = "accepts the tokens of every application of the issuer"
IDP = {"audiences": ["tasks"], "issuer": "https://idp.example.com"}
# The keys in the file, the settings of the issuer, and a part of each warning.
WARNED: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = {
    "a key for encryption beside": ([SIGNING, ENCRYPTING], {}, []),
    "a key of another use beside": ([SIGNING, MISSPELLED], {}, [FAULT]),
    "any audience": ([SIGNING], {"audiences": "any"}, [EVERY]),
    "any audience of one client": ([SIGNING], {"audiences": "any", "require_claims": {"azp": "web"}}, []),
}


@pytest.mark.parametrize(("keys", "settings", "expected"), WARNED.values(), ids=WARNED)
def test_what_public_keys_lead_to(
    tmp_path: Path, keys: list[dict[str, Any]], settings: dict[str, Any], expected: list[str]
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": keys}))
    path = jwt_file(tmp_path, IDP | {"jwks_file": str(file)} | settings)
    warnings = wiring.prepare(load(str(path), {})).warnings
    assert len(warnings) == len(expected), warnings
    assert all(part in warning for part, warning in zip(expected, warnings, strict=True))


def test_any_audience_under_a_secret_is_no_warning(tmp_path: Path) -> None:
    assert wiring.prepare(load(str(jwt_file(tmp_path, {"secret": GOOD})), {})).warnings == ()


SHOP = {"name": "shop", "issuer": "https://shop.example", "secret": GOOD}
ADMIN = {"name": "admin", "issuer": "https://admin.example", "secret": GOOD, "subject_prefix": "admin:"}
# Two issuers, and whether their common secret is a warning.
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "one secret": (SHOP, ADMIN, True),
    "two secrets": (SHOP, ADMIN | {"secret": OTHER}, False),
    "the same people": (SHOP, ADMIN | {"subject_prefix": ""}, False),
    "two presets": (SHOP, {"name": "web", "preset": "authjs", "audiences": None, "secret": GOOD,
                           "subject_prefix": "web:"}, True),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "is_warned"), PAIRS.values(), ids=PAIRS)
def test_issuers_with_one_secret_can_make_users_of_each_other(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], *, is_warned: bool
) -> None:
    warnings = wiring.prepare(load(str(jwt_file(tmp_path, one, other)), {})).warnings
    named = [line for line in warnings if f"issuers {one['name']} and {other['name']} have the same secret" in line]
    assert len(named) == is_warned


def test_the_issuers_of_the_environment_are_one_authority() -> None:
    prepared = wiring.prepare(load(None, {"JWT_SECRET": GOOD, "AUTH_SECRET": GOOD, "AUTHGATE_AUDIENCE": "tasks"}))
    assert len(prepared.snapshot.issuers) == 2
    assert not any("same secret" in warning for warning in prepared.warnings)
