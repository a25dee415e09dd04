"""Real tokens and cookies of Better Auth, Auth.js and NextAuth, and changed copies of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authgate import TESTED_WITH
from authgate.core.decision import Allow, Deny
from authgate.core.reasons import Reason
from tests.support.vectors import decided

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "vectors"
VECTORS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_bytes()) for path in FOLDER.glob("*.json") if not path.stem.startswith("rfc")
}

# The texts that the vectors use for the reason of a refusal.
REASONS = {
    "alg none": Reason.WRONG_ALGORITHM,
    "expired": Reason.EXPIRED,
    "unknown kid": Reason.UNKNOWN_KEY,
    "bad signature": Reason.BAD_SIGNATURE,
    "audience mismatch": Reason.WRONG_AUDIENCE,
    "issuer mismatch": Reason.UNKNOWN_ISSUER,
    "bad tag": Reason.UNDECRYPTABLE_TOKEN,
    "no key with that kid": Reason.UNDECRYPTABLE_TOKEN,
    "not base64url JSON": Reason.MALFORMED_TOKEN,
    "version mismatch": Reason.CLAIM_MISMATCH,
    "signature good, session gone": Reason.SESSION_NOT_FOUND,
    "no signature": Reason.MALFORMED_TOKEN,
}
# The reasons of the other cases. With a wrong or old secret, the token cookie already fails.
OTHER_REASONS = {
    "ba-cookie-jwe--wrong-secret": Reason.BAD_SIGNATURE,
    "ba-rotated-secret-compact-old": Reason.BAD_SIGNATURE,
    "ba-cookie-jwt--token-data-mismatch": Reason.CLAIM_MISMATCH,
    "ba-cookie-jwe--token-data-mismatch": Reason.CLAIM_MISMATCH,
    "ba-cookie-compact--no-session-token": Reason.NO_CREDENTIAL,
    "ba-cookie-jwt--no-session-token": Reason.NO_CREDENTIAL,
}


def names(*, accept: bool) -> Iterable[str]:
    return sorted(name for name, vector in VECTORS.items() if vector["expected"]["accept"] is accept)


def test_there_are_39_vectors_to_accept_and_39_to_refuse() -> None:
    assert (len(list(names(accept=True))), len(list(names(accept=False)))) == (39, 39)


def test_the_versions_that_authgate_names_are_those_that_made_the_vectors() -> None:
    recorded = {(vector["producer"]["library"], vector["producer"]["version"]) for vector in VECTORS.values()}
    assert recorded == set(TESTED_WITH.items())
    installed = json.loads((ROOT / "tests" / "better_auth" / "package.json").read_bytes())["dependencies"]
    assert TESTED_WITH.items() <= installed.items(), "those that make other credentials in each run"
    for page in ("README.md", "docs/supported-settings.md", "docs/faq.md"):
        missing = [version for version in TESTED_WITH.values() if version not in (ROOT / page).read_text()]
        assert missing == [], page


@pytest.mark.parametrize("name", names(accept=True))
def test_a_real_credential_is_accepted_as_its_user(name: str, tmp_path: Path) -> None:
    vector = VECTORS[name]
    decision = decided(vector, tmp_path).decision
    expected = vector["expected"]
    assert isinstance(decision, Allow), decision
    identity = decision.identity
    assert (identity.subject, identity.email) == (expected["user_id"], expected["email"])
    assert identity.session_id == expected["session_id"]
    if "role" in expected:
        assert identity.roles == (expected["role"],)
    assert identity.organization == expected.get("active_organization_id")
    assert identity.name == expected.get("name", identity.name)
    assert dict(decision.headers)["X-User-Id"] == expected["user_id"]
    if token := expected.get("session_token"):
        assert token not in repr(decision.headers) + json.dumps(identity.claims)


@pytest.mark.parametrize("name", names(accept=False))
def test_a_changed_credential_is_refused_for_its_own_reason(name: str, tmp_path: Path) -> None:
    vector = VECTORS[name]
    decision = decided(vector, tmp_path).decision
    assert isinstance(decision, Deny), decision
    assert decision.reason is (OTHER_REASONS.get(name) or REASONS[vector["expected"]["reason"]])
