"""What a warm decision costs: calls of Python functions and memory, counted with a realistic head. No time is measured.

The number behind a bound is that of CPython 3.11; later versions make fewer calls. If you exceed a bound, you have
added work to every request: is it needed there?
"""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from authgate.core.decide import decide
from authgate.core.decision import Allow, Deny
from authgate.core.outputs import Output
from authgate.core.policy import Access
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.tokens import LruProofCache
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    ACCOUNT_RULES,
    OUTPUTS,
    SESSION_PLACES,
    decide_now,
    make_session_issuer,
    make_snapshot,
)
from tests.support.ruling import asked, count_calls, policies, policy, rule
from tests.support.tokens import NOW, claims, mint

if TYPE_CHECKING:
    from typing import Any

    from authgate.core.request import Request
    from authgate.core.snapshot import Snapshot

USER = claims(email="ada@example.com", name="Ada Lovelace", roles=["member", "editor"])
# A browser's head, as a proxy passes it on.
HEAD = (
    ("Host", "app.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "application/json"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://app.example.com/tasks"),
    ("X-Request-Id", "0123456789abcdef0123456789abcdef"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=4"),
)
BEARER = ("Authorization", f"Bearer {mint(USER)}")
JWE = cookies.cookie_line(cookies.cookie_jwe())
OTHERS = [
    policy(f"p{number}", f"/area-{number}/**", hosts=("app.example.com",) if number % 2 else ()) for number in range(49)
]


def of_tokens(count: int) -> Snapshot:
    """Return a snapshot with *count* policies, the last of which is met."""
    if count == 1:
        return make_snapshot(account_rules=())
    return make_snapshot(policies=policies(*OTHERS, policy("met", "/api/**", account_rules=())))


def of_sessions(count: int) -> Snapshot:
    """Return a snapshot with *count* policies, the last of which is met, for sessions of Better Auth."""
    settings: dict[str, Any] = {"places": SESSION_PLACES, "account_rules": ACCOUNT_RULES}
    issuer = make_session_issuer(session_check=SessionCheck.FALLBACK)
    if count == 1:
        return make_snapshot(issuer, **settings)
    return make_snapshot(issuer, policies=policies(*OTHERS, policy("met", "/api/**", **settings)))


def of_rules() -> Snapshot:
    """Return a snapshot with a rule about roles and one about a claim."""
    demanded = rule({"roles": {"any_of": ["editor"]}, "claims": {"email": {"any_of": ["ada@example.com"]}}})
    return make_snapshot(account_rules=(), rule=demanded)


# Each with the number of calls and the bytes that a decision takes for a moment.
CASES = {
    "HS256, 1 policy": (of_tokens(1), BEARER, 17, 3000),
    "HS256, 50 policies": (of_tokens(50), BEARER, 25, 3000),
    "HS256, 1 policy with 2 rules": (of_rules(), BEARER, 35, 3500),
    "Better Auth jwe, 1 policy": (of_sessions(1), JWE, 31, 6000),
    "Better Auth jwe, 50 policies": (of_sessions(50), JWE, 39, 6000),
}


def decided(request: Request, snapshot: Snapshot) -> Allow:
    """Return the `Allow` for *request*, which needs no lookup."""
    with pytest.raises(StopIteration) as done:
        next(decide(request, snapshot, NOW))
    assert isinstance(done.value.value, Allow)
    return done.value.value


def run(request: Request, snapshot: Snapshot) -> None:
    """Decide, as `decided` does, with nothing around it."""
    for _ in decide(request, snapshot, NOW):
        raise AssertionError


def test_a_warm_decision_makes_few_calls() -> None:
    for name, (snapshot, credential, expected, _) in CASES.items():
        # Each request has a path of its own, so no memory of paths helps.
        first, second, third = (asked(f"/api/tasks/{number}", *HEAD, credential) for number in range(3))
        without = decided(first, snapshot).headers
        again = decided(second, snapshot).headers
        calls = count_calls(partial(run, third, snapshot))
        assert calls.total() - 1 <= expected + 2, (name, calls)  # `run` does not count
        assert without == again == decided(third, snapshot).headers


@pytest.mark.parametrize("name", CASES)
def test_a_warm_decision_takes_little_memory_and_keeps_none(name: str) -> None:
    snapshot, credential, _, max_bytes = CASES[name]
    request = asked("/api/tasks/1", *HEAD, credential)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(200):  # Python keeps some of the first objects, to use them again
            run(request, snapshot)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(100):
            run(request, snapshot)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before <= max_bytes
    assert after - before < 1000, "less than 10 bytes for each of them"


def test_a_kept_header_is_not_made_again() -> None:
    snapshot, request = of_tokens(1), asked("/", *HEAD, BEARER)
    made = [decided(request, snapshot).headers for _ in range(4)]
    assert made[1] is not made[0], "a proof that is used once keeps no headers"
    assert made[1] is made[2] is made[3]


def test_an_expired_credential_never_gets_the_headers_that_its_proof_keeps() -> None:
    for credential, settings, issuers in (
        (("Authorization", f"Bearer {mint(USER | {'exp': NOW + 60})}"), {}, ()),
        (
            cookies.cookie_line(cookies.cookie_jwe()),
            {"places": SESSION_PLACES},
            (make_session_issuer(session_check=SessionCheck.FALLBACK),),
        ),
    ):
        snapshot = make_snapshot(*issuers, access=Access.OPTIONAL, **settings)
        request = asked("/", *HEAD, credential)
        kept = [decide_now(request, snapshot, NOW) for _ in range(3)][-1]
        assert isinstance(kept, Allow)
        assert kept.identity is not None
        assert any(value for _, value in kept.headers)
        later = decide_with_session_gone(request, snapshot, NOW + 10_000_000)
        assert isinstance(later, Allow)
        assert later.identity is None
        assert [value for _, value in later.headers] == [""] * len(OUTPUTS)
        required = make_snapshot(*issuers, proofs=snapshot.proofs, **settings)
        refused = decide_with_session_gone(request, required, NOW + 10_000_000)
        assert isinstance(refused, Deny)
        assert refused.reason in {Reason.EXPIRED, Reason.SESSION_NOT_FOUND}


def decide_with_session_gone(request: Request, snapshot: Snapshot, now: float) -> Allow | Deny:
    """Return the decision if the session store knows no session."""
    steps = decide(request, snapshot, now)
    try:
        next(steps)
        steps.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError


def test_each_policy_sends_its_own_headers_for_the_same_proof() -> None:
    by_policy = {
        "a": (Output(header="X-A", source="subject"), Output(header="X-B", source=None)),
        "b": (Output(header="X-A", source=None), Output(header="X-B", source="email")),
        "c": (Output(header="X-A", source="name"), Output(header="X-B", source="name")),
    }
    snapshot = make_snapshot(
        policies=policies(*(policy(name, f"/{name}", outputs=outputs) for name, outputs in by_policy.items()))
    )
    expected = {
        "a": [("X-A", "user-1"), ("X-B", "")],
        "b": [("X-A", ""), ("X-B", USER["email"])],
        "c": [("X-A", USER["name"]), ("X-B", USER["name"])],
    }
    for name in "aaabbabacbcabcaccba":
        assert [*decided(asked(f"/{name}", BEARER), snapshot).headers] == expected[name]


def test_a_reload_that_changes_the_headers_changes_those_of_a_cached_proof() -> None:
    proofs, request = LruProofCache(), asked("/", BEARER)
    for source, value in (
        ("subject", "user-1"),
        ("email", USER["email"]),
        ("name", USER["name"]),
        ("subject", "user-1"),
    ):
        snapshot = make_snapshot(proofs=proofs, outputs=(Output(header="X-Any", source=source),))
        for _ in range(3):
            assert [*decided(request, snapshot).headers] == [("X-Any", value)]
    assert proofs.stored == 1
    for name in ("X-Any", "X-Other"):
        snapshot = make_snapshot(proofs=proofs, outputs=(Output(header=name, source="subject"),))
        assert [*decided(request, snapshot).headers] == [(name, "user-1")]


def test_an_anonymous_request_never_gets_the_headers_of_a_user() -> None:
    snapshot = make_snapshot(access=Access.OPTIONAL)
    for headers, expected in (((BEARER,), "user-1"), ((), ""), ((BEARER,), "user-1"), ((), "")):
        assert dict(decided(asked("/", *headers), snapshot).headers)["X-User-Id"] == expected


def test_the_session_store_decides_on_the_headers_if_it_is_asked() -> None:
    """The proof of a session cookie keeps headers of its copy. They are not those of what the store answers."""
    asking, trusting = (
        make_session_issuer(session_check=check) for check in (SessionCheck.ALWAYS, SessionCheck.FALLBACK)
    )
    proofs = LruProofCache()
    request = asked("/", *HEAD, JWE)
    kept = [decided(request, make_snapshot(trusting, places=SESSION_PLACES, proofs=proofs)).headers for _ in range(3)][
        -1
    ]
    identity = decided(request, make_snapshot(trusting, places=SESSION_PLACES, proofs=proofs)).identity
    assert identity is not None
    steps = decide(request, make_snapshot(asking, places=SESSION_PLACES, proofs=proofs), NOW)
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.send(replace(identity, name="Somebody else"))
    assert dict(done.value.value.headers)["X-User-Name"] == "Somebody else"
    assert dict(kept)["X-User-Name"] != "Somebody else"


def test_two_cookies_of_one_user_send_the_headers_of_the_first() -> None:
    outputs = (Output(header="X-User-Id", source="subject"), Output(header="X-Token", source="token_id"))
    snapshot = make_snapshot(outputs=outputs)
    first, second = (mint(USER | {"jti": jti}) for jti in ("one", "two"))
    expired = mint(USER | {"jti": "old", "exp": NOW - 1000})
    for tokens, expected in (((first,), "one"), ((second,), "two"), ((first, second), "one"), ((second, first), "two")):
        request = asked("/", ("Cookie", "; ".join(f"access_token={token}" for token in tokens)))
        for _ in range(3):
            assert dict(decided(request, snapshot).headers) == {"X-User-Id": "user-1", "X-Token": expected}
    mixed = asked("/", ("Cookie", f"access_token={first}; access_token={expired}"))
    for _ in range(3):
        decision = decide_now(mixed, snapshot)
        assert isinstance(decision, Allow)
        assert dict(decision.headers) == {"X-User-Id": "user-1", "X-Token": "one"}
