"""Claim paths: how they are written, and what they reach."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.core import claim_paths

NAME = st.text(st.characters() | st.sampled_from(".\"'/: \n"), max_size=12)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("plan", ("plan",)),
        ("realm_access.roles", ("realm_access", "roles")),
        ("resource_access.my-app.roles", ("resource_access", "my-app", "roles")),
        ("cognito:groups", ("cognito:groups",)),
        ("urn:zitadel:iam:org:project:roles", ("urn:zitadel:iam:org:project:roles",)),
        ("a/b.c", ("a/b", "c")),
        ('"plan"', ("plan",)),
        ('"https://example.com/roles"', ("https://example.com/roles",)),
        ('"kubernetes.io".namespace', ("kubernetes.io", "namespace")),
        ('a."b.c".d', ("a", "b.c", "d")),
        ('"say ""hi"" to.me"', ('say "hi" to.me',)),
        ('""', ("",)),
        ('"a b"', ("a b",)),
        ("Zoë", ("Zoë",)),
    ],
)
def test_a_path_is_read(text: str, path: tuple[str, ...]) -> None:
    assert claim_paths.parse(text) == path


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a b", "a\tb", ' "a"', '"a', 'a"', '"a"b', 'a"b"', '"a""', '"a".', "a.\n"]
)
def test_what_is_not_a_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the path of a claim"):
        claim_paths.parse(text)


@pytest.mark.parametrize(
    ("text", "proposal"),
    [
        ("https://example.com/roles", """'"https://example.com/roles"'"""),
        ("https://example.com", """'"https://example.com"'"""),
        ("https://a.b/jwt/claims.allowed-roles", """'"https://a.b/jwt/claims".allowed-roles'"""),
        ("app.urn://a.b/v1.2/roles.0", """'app."urn://a.b/v1.2/roles".0'"""),
        ("https://user:hunter2@example.com/roles", """'"https://example.com/roles"'"""),
        ('"a".https://b.c/d', """'"https://example.com/roles"'"""),
        ("https://a.b/\x1b[2J", """'"https://example.com/roles"'"""),
    ],
)
def test_a_url_outside_quotes_is_refused_with_the_quoted_spelling(text: str, proposal: str) -> None:
    with pytest.raises(ValueError, match="://") as refused:
        claim_paths.parse(text)
    assert str(refused.value).endswith(f"\nwrite {proposal}")
    claim_paths.parse(proposal.strip("'"))


@given(path=st.lists(NAME, min_size=1, max_size=5).map(tuple))
def test_every_path_can_be_written_and_read_back(path: tuple[str, ...]) -> None:
    assert claim_paths.parse(claim_paths.written(path)) == path


@given(text=st.text(st.characters() | st.sampled_from('a."/: '), max_size=30))
def test_every_text_is_a_path_or_refused_and_a_path_has_one_meaning(text: str) -> None:
    try:
        path = claim_paths.parse(text)
    except ValueError:
        return
    assert claim_paths.parse(claim_paths.written(path)) == path
    assert len(claim_paths.written(path)) <= len(text)


PAYLOAD: dict[str, Any] = {"plan": "pro", "org": {"id": 7, "": {"x": None}}, "org.id": 8, "list": ["x"], "null": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plan", "pro"),
        ("org.id", 7),
        ('"org.id"', 8),
        ('org."".x', None),
        ("org", PAYLOAD["org"]),
        ("org.name", "absent"),
        ("name", "absent"),
        ("plan.name", None),
        ("list.0", None),
        ("null", None),
        ("null.name", None),
    ],
)
def test_a_path_reaches_a_member_of_objects_only(text: str, value: Any) -> None:
    assert claim_paths.find(PAYLOAD, claim_paths.parse(text), "absent") == value


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        ({}, set()),
        ({"_claim_names": {"groups": "src1"}}, {"groups"}),
        ({"_claim_names": {"groups": "src1", "a": "src2"}, "a": None}, {"groups"}),
        ({"_claim_names": ["groups"]}, set()),
        ({"_claim_names": "groups"}, set()),
        ({"hasgroups": True}, {"groups"}),
        ({"hasgroups": "true"}, {"groups"}),
        ({"hasgroups": True, "groups": []}, set()),
        ({"hasgroups": False}, set()),
        ({"hasgroups": {}}, set()),
    ],
    ids=str,
)
def test_a_payload_names_the_claims_that_are_at_another_server(payload: dict[str, Any], names: set[str]) -> None:
    assert claim_paths.elsewhere(payload) == names


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.just("true"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.sampled_from(["a", "b", "c", "groups", "_claim_names", "hasgroups"]), VALUES)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "groups", "_claim_names"]), min_size=1, max_size=3).map(tuple)


@given(payload=PAYLOADS, paths=st.frozensets(PATHS, max_size=4))
def test_a_part_of_a_payload_answers_for_its_paths_as_the_whole_does(
    payload: dict[str, Any], paths: frozenset[claim_paths.ClaimPath]
) -> None:
    part, absent = claim_paths.part(payload, paths), object()
    for path in paths:
        assert claim_paths.find(part, path, absent) == claim_paths.find(payload, path, absent)
        assert (path[0] in claim_paths.elsewhere(part)) == (path[0] in claim_paths.elsewhere(payload))


def test_a_part_of_a_payload_has_nothing_else() -> None:
    payload = {"a": {"b": [1, 2], "c": {"d": 3, "e": 4}, "list": [5]}, "f": 6, "_claim_names": {"a": "s", "z": "s"}}
    assert claim_paths.part(payload, {("a", "c", "d"), ("a", "list", "x")}) == {
        "a": {"c": {"d": 3}, "list": None},
        "_claim_names": {"a": "s"},
    }
    assert claim_paths.part(payload, {("a",), ("a", "b")}) == {"a": payload["a"], "_claim_names": {"a": "s"}}
    assert claim_paths.part(payload, ()) == {}
