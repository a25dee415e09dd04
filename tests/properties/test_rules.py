"""Rules agree with a reference of a few lines, in three values, and no claim makes one raise."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from authgate.core.decision import Allow, Deny
from authgate.core.rules import Every, Not, Some, judge
from authgate.core.rules import Test as Comparison
from tests.support.deciding import decide_token, make_snapshot
from tests.support.ruling import facts, rule, truth
from tests.support.tokens import claims, mint

# Facts about which three tests are true, false and unknown, and these tests.
ABOUT = facts(roles=("yes",), unknown=frozenset({"acr"}))
LEAVES = {
    Comparison(dimension="roles", operator="any_of", expected=("yes",)): True,
    Comparison(dimension="roles", operator="none_of", expected=("yes",)): False,
    Comparison(dimension="acr", operator="none_of", expected=("yes",)): None,
}
RULES = st.recursive(
    st.sampled_from(list(LEAVES)),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        *(st.builds(kind, st.lists(inner, min_size=1, max_size=4).map(tuple)) for kind in (Every, Some)),
    ),
    max_leaves=12,
)


def reference(tested: Any) -> bool | None:
    """Kleene's logic, with 0, 1/2 and 1."""

    def value(part: Any) -> float:
        if isinstance(part, Not):
            return 1 - value(part.rule)
        if isinstance(part, (Every, Some)):
            return (min if isinstance(part, Every) else max)(value(inner) for inner in part.rules)
        known = LEAVES[part]
        return 0.5 if known is None else float(known)

    return {0.0: False, 0.5: None, 1.0: True}[value(tested)]


@given(tested=RULES)
def test_every_combination_agrees_with_the_reference(tested: Any) -> None:
    found = judge(tested, ABOUT)
    assert found.truth is reference(tested)
    if found.truth is not True:
        assert found.failed().truth is not True


def with_unknown_as(tested: Any, *, instead: bool) -> Any:
    """Return *tested* with every unknown test replaced by one that is true or false (*instead*)."""
    if isinstance(tested, Not):
        return Not(with_unknown_as(tested.rule, instead=instead))
    if isinstance(tested, (Every, Some)):
        return type(tested)(tuple(with_unknown_as(part, instead=instead) for part in tested.rules))
    return next(leaf for leaf, known in LEAVES.items() if known is instead) if LEAVES[tested] is None else tested


@given(tested=RULES)
def test_what_is_unknown_makes_nothing_true_that_would_not_be_true_anyway(tested: Any) -> None:
    """If a rule is true, it stays true whatever the unknown tests really are."""
    found = judge(tested, ABOUT).truth
    if found is not None:
        for instead in (True, False):
            assert judge(with_unknown_as(tested, instead=instead), ABOUT).truth is found


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12)
JSON = st.recursive(
    SCALARS | st.sampled_from(["admin", "a@b.example", 10**300, "x" * 5000, ["admin"] * 3]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | st.just("b"), inner, max_size=4),
    max_leaves=8,
)
WANTED = st.lists(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6), min_size=1
)
CLAIMS = ("roles", "scope", "org_id", "org_role", "acr", "amr", "email", "act", "a", "banned", "isAnonymous")
EVERYTHING = (
    *({name: {"none_of": ["x"]}} for name in ("roles", "scopes", "organization", "organization_role", "acr", "amr")),
    {"email": {"domain": "b.example", "verified": "any"}},
    {"session": {"impersonated": False, "anonymous": False, "banned": False}},
    {"claims": {"a.b": {"none_of": ["x", 1, True]}, "roles": {"all_of": ["admin"]}}},
    {"authenticated_within_seconds": 5, "token_age_seconds": 5},
)
# AuthGate looks at every part of a rule, so this one compares each of EVERYTHING, and its opposite.
ALL_AT_ONCE = rule({"any": [*EVERYTHING, *({"not": settings} for settings in EVERYTHING)]})


@given(changes=st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=4))
@example(changes={"a": {"b": ["\ud800"]}, "email": "\ud800@b.example"})
def test_no_claim_makes_a_rule_raise(changes: dict[str, Any]) -> None:
    snapshot = make_snapshot(rule=ALL_AT_ONCE, account_rules=())
    decision = decide_token(mint(claims() | changes), snapshot)
    assert isinstance(decision, Allow | Deny)
    if isinstance(decision, Deny):
        assert decision.detail.isascii()


@given(value=JSON, wanted=WANTED)
def test_the_operators_on_a_claim_agree_with_each_other(value: Any, wanted: list[Any]) -> None:
    about = facts(claims={"a": value})
    some, every, none = (truth({"claims": {"a": {name: wanted}}}, about) for name in ("any_of", "all_of", "none_of"))
    assert (some is None) == (every is None) == (none is None)
    if some is not None:
        assert none is not some
        assert some or not every
        held = value if isinstance(value, list) else [value]
        assert some == any(type(one) in {type(x)} | _numbers(x) and one == x for one in held for x in wanted)


def _numbers(value: object) -> set[type]:
    return {int, float} if type(value) in {int, float} else set()


def test_the_reference_tells_true_false_and_unknown_apart() -> None:
    leaves = {known: leaf for leaf, known in LEAVES.items()}
    assert [reference(leaves[known]) for known in (True, False, None)] == [True, False, None]
    assert reference(Not(leaves[None])) is None
    assert reference(Some((leaves[None], leaves[True]))) is True
