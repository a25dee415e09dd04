"""Tokens and cookies that the real libraries make while the tests run, with new secrets and users each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.decision import Allow
from authgate.core.reasons import Reason
from tests.support.fresh_vectors import fresh_vectors
from tests.support.vectors import decided

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first test installs the libraries

# Cases that the libraries accept and AuthGate refuses, by the end of their name.
REFUSED_BY_DEFAULT = {"-banned": Reason.BANNED_USER, "-anonymous": Reason.ANONYMOUS_USER}


def fault(vector: dict[str, Any], folder: Path, **changes: Any) -> str:
    """Return what is wrong with the decision on *vector*, "" if it is right."""
    expected, decision = vector["expected"], decided(vector, folder, **changes).decision
    if not isinstance(decision, Allow):
        default = next((reason for end, reason in REFUSED_BY_DEFAULT.items() if vector["name"].endswith(end)), None)
        if expected["accept"] and decision.reason is not default:
            return f"{vector['name']}: refused, {decision.reason}: {decision.detail}"
        return ""
    if not expected["accept"]:
        return f"{vector['name']}: accepted as {decision.identity.subject}"
    identity = decision.identity
    expected_user = (expected["user_id"], expected.get("email"), expected.get("session_id", identity.session_id))
    user = (identity.subject, identity.email, identity.session_id)
    if user != expected_user or expected.get("name", identity.name) != identity.name:
        return f"{vector['name']}: {user} and {identity.name!r}, not {expected_user} and {expected.get('name')!r}"
    token = expected.get("session_token", "no token")
    is_leaked = token in json.dumps([[*decision.headers], identity.claims])
    return f"{vector['name']}: the headers or claims contain the raw session token" if is_leaked else ""


def test_every_fresh_case_is_decided_as_expected(tmp_path: Path) -> None:
    vectors = fresh_vectors()
    assert len(vectors) > 300
    assert [message for vector in vectors if (message := fault(vector, tmp_path))] == []


def test_anonymous_users_pass_if_they_are_allowed(tmp_path: Path) -> None:
    vectors = [vector for vector in fresh_vectors() if vector["name"].endswith("-anonymous")]
    assert vectors
    for vector in vectors:
        decision = decided(vector, tmp_path, anonymous="allow").decision
        assert isinstance(decision, Allow), decision
        assert decision.identity.is_anonymous


def test_misused_tokens_are_refused_even_if_every_option_is_on(tmp_path: Path) -> None:
    """All have a valid signature: a link in an e-mail, a cookie for another purpose, another kind of token."""
    misused = [
        vector for vector in fresh_vectors() if vector.get("misuse") and vector["kind"].startswith("better-auth/")
    ]
    assert len(misused) > 20
    accepted = []
    for vector in misused:
        config = {name: value for name, value in vector["config"].items() if name != "strategy"}
        config["sessions"] = config.get("sessions", {})
        case = {**vector, "config": config}
        all_options = {"strategies": ["compact", "jwt", "jwe"], "anonymous": "allow"}
        decision = decided(case, tmp_path, **all_options).decision
        # A genuine cookie of another strategy is not a misuse here, because every strategy is accepted.
        if isinstance(decision, Allow) and "--strategy-" not in vector["name"]:
            accepted.append(vector["name"])
    assert accepted == []
