"""The gate: runs a decision, replaces keys, and turns a bug into a refusal."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate.answers import Answers
from authgate.core.decision import Allow, Deny
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.gate import Gate
from authgate.keysources.local import FileSource
from authgate.keysources.watched import Timing, WatchedKeys
from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS, bearer, make_issuer, make_snapshot, secret_keys
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint, public_jwk
from tests.support.watched_keys import watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from authgate.core.lookups import RefreshKeys


def write_keys(path: Path, *members: dict[str, Any]) -> None:
    path.write_text(json.dumps({"keys": members}), encoding="utf-8")


@asynccontextmanager
async def gate_of(path: Path) -> AsyncIterator[Gate]:
    """Yield a gate with one issuer, whose keys are the JWK Set at *path*. The cooldown is almost zero."""
    source = FileSource(path, jwk.from_jwks, ALL_ALGORITHMS)
    keys = WatchedKeys("app", source, Timing(refresh_seconds=300, cooldown_seconds=1e-9), source.read())
    issuer = make_issuer(keys.key_set, algorithms=ALL_ALGORITHMS)
    gate = Gate(make_snapshot(issuer), Answers({"app": keys}), clock=lambda: NOW)
    async with watching(keys):
        yield gate


def token(key_id: str, algorithm: str = "ES256") -> Any:
    return bearer(mint(algorithm=algorithm, header={"kid": key_id}))


def secret_gate(now: float = NOW) -> Gate:
    return Gate(make_snapshot(make_issuer(secret_keys())), Answers({}), clock=lambda: now)


async def test_a_valid_token_is_allowed_by_the_gates_own_clock() -> None:
    assert isinstance(await secret_gate().decide(bearer(mint())), Allow)
    late = await secret_gate(NOW + 1000).decide(bearer(mint()))
    assert isinstance(late, Deny)
    assert late.reason is Reason.EXPIRED


async def test_a_replaced_key_file_is_loaded_when_a_token_names_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    write_keys(path, public_jwk("RS256", "old"))
    async with gate_of(path) as gate:
        before = await gate.decide(token("new"))
        assert isinstance(before, Deny)
        assert before.reason is Reason.UNKNOWN_KEY
        write_keys(path, public_jwk("ES256", "new"))
        assert isinstance(await gate.decide(token("new")), Allow)
        assert [key.key_id for key in gate.snapshot.issuers[0].key_set.keys] == ["new"]


async def test_after_a_rotation_cached_tokens_of_the_removed_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    write_keys(path, public_jwk("RS256", "old"))
    async with gate_of(path) as gate:
        old = token("old", "RS256")
        assert isinstance(await gate.decide(old), Allow)
        write_keys(path, public_jwk("ES256", "new"))
        assert isinstance(await gate.decide(token("new")), Allow)
        decision = await gate.decide(old)
        assert isinstance(decision, Deny)
        assert decision.reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("content", ["", "{", '{"keys":[]}', '{"keys":[{"kty":"oct"}]}', '{"keys":[{"key_ops":5}]}'])
async def test_a_broken_key_file_leaves_the_good_keys_in_use(tmp_path: Path, content: str) -> None:
    path = tmp_path / "jwks.json"
    write_keys(path, public_jwk("RS256", "old"))
    async with gate_of(path) as gate:
        path.write_text(content, encoding="utf-8")
        unknown = await gate.decide(token("new"))
        assert isinstance(unknown, Deny)
        assert unknown.reason is Reason.KEYS_UNAVAILABLE, "the token may be valid, so the user must not be signed out"
        assert isinstance(await gate.decide(token("old", "RS256")), Allow)


def test_only_different_keys_replace_the_snapshot() -> None:
    gate = secret_gate()
    before = gate.snapshot
    gate.use("app", secret_keys())
    assert gate.snapshot is before
    gate.use("app", secret_keys(OTHER_SECRET))
    assert gate.snapshot is not before


class Failing:
    """Answers whose lookups raise *failure*."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure

    async def newer_keys(self, lookup: RefreshKeys) -> None:
        raise self._failure


def failing_gate(failure: BaseException) -> Gate:
    keys = jwk.from_jwks(json.dumps(public_jwk("ES256", "old")).encode(), ALL_ALGORITHMS)
    answers: Any = Failing(failure)
    return Gate(make_snapshot(make_issuer(keys)), answers, clock=lambda: NOW)


async def test_a_request_with_a_failed_lookup_is_refused_as_our_own_fault() -> None:
    decision = await failing_gate(LookupFailed(Reason.KEYS_UNAVAILABLE, "silent")).decide(token("new"))
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.detail) == (Reason.KEYS_UNAVAILABLE, "silent")


async def test_a_bug_refuses_the_request_and_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        decision = await failing_gate(ZeroDivisionError("hunter2")).decide(token("new"))
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.detail) == (Reason.INTERNAL_ERROR, "ZeroDivisionError")
    assert "internal error: ZeroDivisionError" in caplog.text
    assert next(record.trace for record in caplog.records).startswith("Traceback")
    assert "hunter2" not in caplog.text


async def test_a_cancellation_is_not_swallowed() -> None:
    with pytest.raises(asyncio.CancelledError):
        await failing_gate(asyncio.CancelledError()).decide(token("new"))


def test_a_bug_whose_type_needs_arguments_is_refused_too() -> None:
    bug = UnicodeDecodeError("utf-8", b"hunter2", 0, 1, "cause")
    assert secret_gate().refuse_bug(bug, CIMultiDict()).reason is Reason.INTERNAL_ERROR


async def test_concurrent_users_each_get_their_own_identity() -> None:
    gate = secret_gate()
    subjects = [f"user-{number}" for number in range(200)]
    decisions = await asyncio.gather(*(gate.decide(bearer(mint(claims(sub=subject)))) for subject in subjects))
    assert [dict(decision.headers)["X-User-Id"] for decision in decisions if isinstance(decision, Allow)] == subjects
