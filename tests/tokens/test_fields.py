"""The fields that claims state, read from payloads of every shape."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.core.claim_paths import elsewhere, find
from authgate.tokens import _claims
from authgate.tokens._claims import Source, Unreadable
from authgate.tokens._fields import Fields
from authgate.tokens.claim_sources import DEFAULT_CLAIMS, sources
from tests.support.ruling import count_calls


@pytest.mark.parametrize(
    ("payload", "values", "unreadable"),
    [
        ({}, {}, set()),
        ({"a": "x", "b": "y"}, {"f": ("x",)}, set()),
        ({"a": "", "b": "y"}, {"f": ("y",)}, set()),
        ({"a": [], "b": "y"}, {"f": ("y",)}, set()),
        ({"a": ",", "b": "y"}, {"f": ("y",)}, set()),
        ({"a": None, "b": "y"}, {"f": ("y",)}, set()),
        ({"a": 7, "b": "y"}, {}, {"f"}),
        ({"a": "", "b": 7}, {}, {"f"}),
        ({"a": "x", "b": 7}, {"f": ("x",)}, set()),
        ({"a": ""}, {}, set()),
        ({"a": None}, {}, {"f"}),
        ({"a": [], "b": None}, {}, {"f"}),
    ],
    ids=repr,
)
def test_the_first_claim_that_is_present_and_not_empty_counts(
    payload: dict[str, Any], values: dict[str, Any], unreadable: set[str]
) -> None:
    source = _claims.source("f", _claims.words, "a", "b")
    assert Fields([source]).read(payload) == (values, unreadable)


def read_one_by_one(payload: dict[str, Any], every: list[Source]) -> tuple[dict[str, Any], set[str]]:
    """Return what `Fields.read` has to return: every source looks for each of its claims."""
    values: dict[str, Any] = {}
    unreadable = set()
    for field, read, paths in every:
        missing = [path for path in paths if path[0] in elsewhere(payload)]
        claims = [object() if path in missing else find(payload, path, "") for path in paths]
        try:
            every_value = (read(claim) for claim in claims if claim is not None and claim != "")
            value = next((value for value in every_value if value != ()), None)
        except Unreadable:
            unreadable.add(field)
            continue
        if value is not None:
            values[field] = value
        elif any(claim is None for claim in claims):
            unreadable.add(field)
    return values, unreadable


NAMES = sorted({path[0] for paths in DEFAULT_CLAIMS.values() for path in paths} | {"own", "sub"})
CLAIM = st.one_of(
    st.sampled_from([None, "", "a", "a b", "a,b", "true", "0", [], {}, True, False, 0, 7, 1.5, ["a"], ["a", 1], [""]]),
    st.dictionaries(st.sampled_from(["sub", "own", "a", "method"]), st.sampled_from([None, "", "x", 1, ["y"], {}])),
)
PAYLOAD = st.dictionaries(st.sampled_from(NAMES), CLAIM, max_size=8)
MARKS = st.sampled_from(
    [{}, {"hasgroups": True}, {"hasgroups": "true"}, {"_claim_names": {"roles": "x", "email": "y"}}]
)
PATH = st.sampled_from([("own",), ("own", "a"), ("roles",), ("email",), ("groups",), ("act", "sub"), ("own", "own")])
MAPPED = st.dictionaries(st.sampled_from(sorted(DEFAULT_CLAIMS)), st.lists(PATH, min_size=1, max_size=3).map(tuple))


@given(PAYLOAD, MARKS, MAPPED, st.booleans())
def test_every_payload_is_read_as_if_each_field_looked_for_its_claims(
    payload: dict[str, Any],
    marks: dict[str, Any],
    mapped: dict[str, Any],
    from_row: bool,  # noqa: FBT001 - given
) -> None:
    every = [*sources(mapped, from_row=from_row)]
    assert Fields(every).read(payload | marks) == read_one_by_one(payload | marks, every)


def test_claims_that_are_no_field_cost_no_call() -> None:
    fields = Fields(sources({}))
    user = {"email": "ada@example.com", "name": "Ada", "email_verified": True}
    others = {f"claim{number}": number for number in range(100)}
    assert count_calls(lambda: fields.read(user | others)).total() == 2  # with the lambda
