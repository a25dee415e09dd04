"""The mapping of claims, with every mapping and every payload."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from authgate.core.decision import Allow, Deny
from authgate.core.demands import Demand
from authgate.core.outputs import Output
from authgate.core.reasons import Reason
from authgate.tokens.claim_sources import DEFAULT_CLAIMS
from tests.support.deciding import decide_token, make_issuer, make_snapshot
from tests.support.tokens import claims, sign_raw

# Few names, so that paths often reach something. "\ud800": JSON may hold a lone surrogate.
NAMES = st.sampled_from(["sub", "a", "b", "a.b", "roles", "exp", "jti", "auth_time", "act", ""])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(
    SCALARS | st.sampled_from(["", "user-1", "\ud800", 7, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(
    st.sampled_from(sorted(DEFAULT_CLAIMS)), st.lists(PATHS, min_size=1, max_size=3).map(tuple), max_size=4
)
SOURCES = st.sampled_from(["subject", "email", "roles", "name", "is_banned", "expires_at", "claims.a", "claims.a.b"])
VALUES = st.none() | st.lists(SCALARS, max_size=2).map(tuple)
DEMANDS = st.lists(
    st.builds(
        Demand,
        paths=st.lists(PATHS, min_size=1, max_size=2).map(tuple),
        accepted=VALUES,
        setting=st.just("require_claims"),
        optional=st.booleans(),
    ),
    max_size=2,
).map(tuple)
MALFORMED_OR_MISSING = {Reason.MALFORMED_TOKEN, Reason.MISSING_CLAIM}


@given(mapping=MAPPINGS, payload=st.dictionaries(NAMES, JSON, max_size=5), source=SOURCES, demands=DEMANDS)
@example(mapping={"subject": (("a",),)}, payload={"a": ""}, source="subject", demands=())
@example(mapping={"subject": (("a",),)}, payload={"a": 0}, source="claims.a", demands=())
@example(mapping={}, payload={"a": "\ud800"}, source="claims.a", demands=())
@example(mapping={}, payload={"a": []}, source="claims.a", demands=())
def test_nobody_passes_without_an_id_and_every_payload_has_a_decision(
    mapping: dict[str, Any], payload: dict[str, Any], source: str, demands: tuple[Any, ...]
) -> None:
    issuer = make_issuer(identity=mapping, required_claims=frozenset(), demands=demands)
    outputs = (Output(header="X-User-Id", source=source), Output(header="X-Name", source="name"))
    snapshot = make_snapshot(issuer, outputs=outputs, account_rules=())
    token = sign_raw(b'{"alg":"HS256"}', json.dumps(claims() | payload).encode())
    decision = decide_token(token, snapshot)
    assert decision == decide_token(token, snapshot), "the cached proof decides as the new one does"
    if isinstance(decision, Allow):
        assert decision.identity.subject
        assert dict(decision.headers)["X-User-Id"]
    else:
        assert isinstance(decision, Deny)
        assert decision.reason is not Reason.INTERNAL_ERROR


@given(value=JSON, by_header=st.booleans())
def test_an_id_is_a_text_or_an_integer_that_the_configuration_names(value: Any, *, by_header: bool) -> None:
    output = Output(header="X-User-Id", source="claims.a" if by_header else "subject")
    issuer = make_issuer(identity={} if by_header else {"subject": (("a",),)})
    token = sign_raw(b'{"alg":"HS256"}', json.dumps(claims(a=0) | {"a": value}).encode())
    decision = decide_token(token, make_snapshot(issuer, outputs=(output,)))
    is_id = (isinstance(value, str) and value and "\ud800" not in value) or type(value) is int
    if not is_id:
        assert decision.reason in MALFORMED_OR_MISSING
    elif isinstance(decision, Allow):
        assert dict(decision.headers)["X-User-Id"]
    else:
        assert decision.reason is Reason.HEADERS_TOO_LARGE
