"""The warm path stays short, and the proof cache stays within its bound. These tests count; they never measure time."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.caches import CacheBudget
from authgate.core.decide import decide
from authgate.core.decision import Allow
from authgate.core.header_names import guarded_names
from authgate.core.outputs import Output
from authgate.core.proof import SessionCheck
from authgate.core.subrequest import Subrequest
from authgate.tokens import LruProofCache
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    OUTPUTS,
    SESSION_PLACES,
    bearer,
    decide_token,
    make_issuer,
    make_session_issuer,
    make_snapshot,
    request_with,
)
from tests.support.ruling import asked, count_calls, policies, policy
from tests.support.tokens import NOW, claims, mint, sign_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.decision import Decision
    from authgate.core.policy import Policy
    from authgate.core.request import Request
    from authgate.core.snapshot import Snapshot

USER = claims(oid="o-1", email="ada@example.com", name="Ada Lovelace", roles=["member", "editor"])

# Calls of Python functions (a resumed generator counts again). The number behind a bound is that of CPython 3.11; later
# versions make fewer. If you exceed a bound, you have added work to every request: is it needed there?
MAX_CALLS_OF_DECIDE = {  # with one issuer, one policy, two rules about accounts and four outputs
    "a header": 28,  # 25
    "a cookie": 38,  # 34
    "a prefix": 28,  # 25
    "an id from a claim": 35,  # 31
}
MAX_CALLS_WITH_POLICIES = 38  # 34 where a policy matches by host, with wildcards, and by path
MAX_CALLS_OF_READ = 17  # 14
MAX_CALLS_OF_A_SESSION = 37  # 33


def decide_without_lookup(request: Request, snapshot: Snapshot) -> Decision:
    """Return the decision. Fail if it needs a lookup."""
    steps = decide(request, snapshot, NOW)
    try:
        lookup = next(steps)
    except StopIteration as done:
        return done.value
    pytest.fail(f"the warm path made a lookup: {lookup}")


WARM: dict[str, tuple[str, Snapshot]] = {
    "a header": ("Authorization", make_snapshot()),
    "a cookie": ("Cookie", make_snapshot()),
    "a prefix": ("Authorization", make_snapshot(make_issuer(subject_prefix="app:"))),
    "an id from a claim": (
        "Authorization",
        make_snapshot(outputs=(Output(header="X-User-Id", source="claims.oid"), *OUTPUTS[1:])),
    ),
}


@pytest.mark.parametrize("kind", WARM)
def test_a_warm_decision_makes_few_calls_and_no_lookup(kind: str) -> None:
    header, snapshot = WARM[kind]
    request = request_with((header, f"{'access_token=' * (header == 'Cookie')}Bearer {mint(USER)}"))
    for _ in range(2):  # the second one keeps the header lines
        assert isinstance(decide_without_lookup(request, snapshot), Allow)
    files = count_calls(lambda: decide_without_lookup(request, snapshot))
    assert 0 < files.total() <= MAX_CALLS_OF_DECIDE[kind], files


def hosts_and_paths(count: int) -> list[Policy]:
    """Return policies for *count* hosts or paths of their own: exact hosts, wildcards, methods, and paths alone."""
    kinds: list[Callable[[int], dict[str, Any]]] = [
        lambda number: {"path": f"/area-{number}/**"},
        lambda number: {"path": "/**", "hosts": (f"host-{number}.example.com",)},
        lambda number: {"path": f"/area-{number}/*", "hosts": (f"*.host-{number}.example.com",)},
        lambda number: {"path": f"/area-{number}", "methods": frozenset({"GET", "HEAD"})},
    ]
    return [policy(f"p{number}", **kinds[number % len(kinds)](number)) for number in range(count)]


@pytest.mark.parametrize("others_come", ["before", "after"])
def test_policies_that_a_request_does_not_meet_cost_no_call(others_come: str) -> None:
    met = policy("met", "/reports/**", hosts=("app.example.com", "*.team.example.com"))
    requests = [asked("/reports/2026", ("Authorization", f"Bearer {mint(USER)}"), host=host)
                for host in ("app.example.com", "a.team.example.com")]  # fmt: skip
    calls = {}
    for count in (1, 50, 200):
        others = hosts_and_paths(count)
        listed = policies(*([*others, met] if others_come == "before" else [met, *others]))
        snapshot = make_snapshot(policies=listed)
        for request in requests:
            decision = decide_without_lookup(request, snapshot)
            assert isinstance(decision, Allow)
            assert decision.policy == "met"
            decide_without_lookup(request, snapshot)
        calls[count] = count_calls(lambda snapshot=snapshot: [decide_without_lookup(r, snapshot) for r in requests])
    assert calls[200].total() <= calls[1].total() + 4, calls
    assert calls[200] == calls[50]
    assert calls[200].total() <= 2 * MAX_CALLS_WITH_POLICIES


def test_a_warm_decision_uses_one_cached_proof_and_verifies_no_signature() -> None:
    token, cache = mint(USER), LruProofCache()
    snapshot = make_snapshot(proofs=cache)
    request = bearer(token)
    cold = count_calls(lambda: decide_without_lookup(request, snapshot))
    assert (cache.hits, cache.stored) == (0, 1)
    decide_without_lookup(request, snapshot)  # keeps the header lines
    warm = count_calls(lambda: decide_without_lookup(request, snapshot))
    assert (cache.hits, cache.stored) == (2, 1)
    assert any(file.endswith("tokens/jws.py") for file in cold)  # otherwise the next assertion would prove nothing
    assert {file.rpartition("/")[2] for file in warm if "/authgate/tokens/" in file} == {"_proof_cache.py"}
    assert any(file.endswith("core/formats.py") for file in cold)
    assert not any(file.endswith(("core/formats.py", "core/attempts.py")) for file in warm)


SESSION_COOKIES = {
    "compact": cookies.compact(),
    "jwt": cookies.cookie_jwt(),
    "jwe": cookies.cookie_jwe(),
    "in chunks": cookies.compact(cookies.payload(note="n" * 9000)),
}


@pytest.mark.parametrize("data", SESSION_COOKIES.values(), ids=SESSION_COOKIES)
def test_a_warm_session_makes_few_calls_without_a_lookup_or_cryptography(data: str) -> None:
    cache = LruProofCache()
    issuer = make_session_issuer(session_check=SessionCheck.FALLBACK)
    snapshot = make_snapshot(issuer, places=SESSION_PLACES, proofs=cache)
    request = request_with(cookies.cookie_line(data))
    cold = count_calls(lambda: decide_without_lookup(request, snapshot))
    assert any(file.endswith("better_auth/signed_cookie.py") for file in cold)
    decide_without_lookup(request, snapshot)  # keeps the header lines
    warm = count_calls(lambda: decide_without_lookup(request, snapshot))
    assert (cache.hits, cache.stored) == (2, 1)
    assert 0 < warm.total() <= MAX_CALLS_OF_A_SESSION, warm
    assert {file.rpartition("/")[2] for file in warm if "/authgate/tokens/" in file} == {"_proof_cache.py"}


def test_cached_sessions_take_the_memory_that_the_budget_counts() -> None:
    max_bytes = 512 * 1024
    cache = LruProofCache(CacheBudget(max_bytes))
    snapshot = make_snapshot(make_session_issuer(), places=SESSION_PLACES, proofs=cache)
    lines = []
    for number in range(250):
        user = cookies.user(name=f"user {number}", picture=f"https://example.com/{number}", ids=[*range(60)])
        session = cookies.session(userAgent=f"Mozilla/5.0 {number}")
        lines.append(cookies.cookie_line(cookies.compact(cookies.payload(user=user, session=session))))
    decide_without_lookup(request_with(lines[0]), snapshot)  # allocate now what is allocated only once
    gc.collect()
    tracemalloc.start()
    for line in lines[1:]:
        assert isinstance(decide_without_lookup(request_with(line), snapshot), Allow)
    gc.collect()
    used_bytes, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cache.entries < len(lines)
    assert max_bytes * 0.9 < cache.bytes <= max_bytes
    assert 0.95 < cache.bytes / used_bytes < 1.3


def test_reading_a_subrequest_makes_few_calls() -> None:
    adapter, trusted = ADAPTERS["nginx"], TrustedProxies(networks=())
    guarded = guarded_names(adapter.reads, [output.header for output in OUTPUTS])
    headers = CIMultiDict(
        [
            ("X-Original-Method", "GET"),
            ("X-Original-URL", "https://app.example.com/api/v1/tasks?page=2"),
            ("X-Forwarded-For", "203.0.113.7"),
            ("Authorization", f"Bearer {mint(USER)}"),
        ]
    )
    adapter.read(Subrequest.of(headers), trusted, guarded)
    files = count_calls(lambda: adapter.read(Subrequest.of(headers), trusted, guarded))
    assert 0 < files.total() <= MAX_CALLS_OF_READ, files


# Payloads such as issuers make. As tokens they have about 3,000 bytes, except the first. *i* is the number of the user.
PAYLOADS: dict[str, Callable[[int], dict[str, Any]]] = {
    "an ordinary user": lambda i: {},
    "one long string": lambda i: {"picture": f"{i:08}" * 230},
    "many permissions": lambda i: {"permissions": [f"tasks:{i % 100}:{j:03}" for j in range(110)]},
    "many short roles": lambda i: {"roles": [f"{i % 10}{j:03}" for j in range(270)]},
    "many scopes": lambda i: {"scope": " ".join(f"{i:05}{j:03}" for j in range(210))},
    "many claims": lambda i: {f"claim{i % 100}{j}": f"v{i}" for j in range(100)},
    "many numbers": lambda i: {"ids": [1000 + i + j for j in range(380)]},
    "memberships": lambda i: {"orgs": [{"id": f"org-{i % 10}{j:03}", "role": "admin"} for j in range(55)]},
    "roles of many clients": lambda i: {
        "resource_access": {f"client{i}{j}": {"roles": ["view", "edit"]} for j in range(45)}
    },
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_cached_proofs_take_the_memory_that_the_budget_counts(payload: Callable[[int], dict[str, Any]]) -> None:
    max_bytes = 512 * 1024
    cache = LruProofCache(CacheBudget(max_bytes))
    snapshot = make_snapshot(proofs=cache)
    tokens = [
        sign_raw(
            b'{"alg":"HS256","typ":"JWT"}',
            json.dumps(USER | {"sub": f"user-{i}"} | payload(i), separators=(",", ":")).encode(),
        )
        for i in range(500)
    ]
    assert 200 < len(tokens[0]) < 3500
    decide_token(tokens[0], snapshot)  # allocate now what is allocated only once
    gc.collect()
    tracemalloc.start()
    for token in tokens[1:]:
        assert isinstance(decide_token(token, snapshot), Allow)
        assert cache.bytes <= max_bytes
    gc.collect()
    used_bytes, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cache.stored == len(tokens)
    assert cache.bytes > max_bytes * 0.9
    assert cache.entries < len(tokens)  # some were evicted
    assert 0.95 < cache.bytes / used_bytes < 1.3
