"""Tokens and cookies that the real libraries make while the tests run: other secrets and users each time."""

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

pytestmark = pytest.mark.timeout(400)  # the first one installs the libraries

# What the libraries let in, and AuthGate does not: the end of the case's name.
NOT_WANTED = {"-banned": Reason.BANNED_USER, "-anonymous": Reason.ANONYMOUS_USER}


def fault(vector: dict[str, Any], folder: Path, **changes: Any) -> str:
    """Return what is wrong with the decision on *vector*, "" if nothing is."""
    expected, decision = vector["expected"], decided(vector, folder, **changes).decision
    if not isinstance(decision, Allow):
        unwanted = next((reason for end, reason in NOT_WANTED.items() if vector["name"].endswith(end)), None)
        if expected["accept"] and decision.reason is not unwanted:
            return f"{vector['name']}: refused, {decision.reason}: {decision.detail}"
        return ""
    if not expected["accept"]:
        return f"{vector['name']}: accepted as {decision.identity.subject}"
    identity = decision.identity
    wanted = (expected["user_id"], expected.get("email"), expected.get("session_id", identity.session_id))
    found = (identity.subject, identity.email, identity.session_id)
    if found != wanted or expected.get("name", identity.name) != identity.name:
        return f"{vector['name']}: {found} and {identity.name!r} instead of {wanted} and {expected.get('name')!r}"
    token = expected.get("session_token", "no token")
    return (
        f"{vector['name']}: its raw token is told" if token in json.dumps([decision.headers, identity.claims]) else ""
    )


def test_every_fresh_case_ends_as_it_should(tmp_path: Path) -> None:
    vectors = fresh_vectors()
    assert len(vectors) > 300
    assert [told for vector in vectors if (told := fault(vector, tmp_path))] == []


def test_anonymous_users_pass_where_they_are_allowed(tmp_path: Path) -> None:
    vectors = [vector for vector in fresh_vectors() if vector["name"].endswith("-anonymous")]
    assert vectors
    for vector in vectors:
        decision = decided(vector, tmp_path, anonymous="allow").decision
        assert isinstance(decision, Allow), decision
        assert decision.identity.is_anonymous


def test_what_is_misused_is_refused_also_where_everything_is_switched_on(tmp_path: Path) -> None:
    """Each carries a signature that holds: a link in an e-mail, a cookie of another purpose, another kind of token."""
    misused = [
        vector for vector in fresh_vectors() if vector.get("misuse") and vector["kind"].startswith("better-auth/")
    ]
    assert len(misused) > 20
    let_in = []
    for vector in misused:
        config = {name: value for name, value in vector["config"].items() if name != "strategy"}
        config["sessions"] = config.get("sessions", {})
        case = {**vector, "config": config}
        wide = {"strategies": ["compact", "jwt", "jwe"], "anonymous": "allow"}
        decision = decided(case, tmp_path, **wide).decision
        # A true cookie of another strategy than the configured one is no misuse once that one is accepted.
        if isinstance(decision, Allow) and "--strategy-" not in vector["name"]:
            let_in.append(vector["name"])
    assert let_in == []
