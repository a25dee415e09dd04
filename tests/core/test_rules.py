"""Each dimension of rules: what a real token states, and what each operator makes of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from authgate.core.identity import Identity
from authgate.core.rules import DIMENSIONS, Every, Not, Operand, Some, judge
from authgate.core.rules import Test as Comparison
from tests.support.deciding import decide_token, make_issuer, make_snapshot
from tests.support.ruling import ABSENT, facts, identity_of, rule, truth
from tests.support.tokens import NOW, claims, mint

T, F, U = True, False, None
LISTS = ("any_of", "all_of", "none_of")
NOTHING, ONLY_IT, OTHERS, BOTH, UNKNOWN = (F, F, T), (T, T, F), (F, F, T), (T, T, F), (U, U, U)

# The claim of each field, and what the operators come to with the list [admin]: a list that has it, or does not, or
# that cannot be read.
HUGE = [f"role-{number}" for number in range(1000)]
WORDS: list[tuple[Any, tuple[bool | None, ...]]] = [
    (ABSENT, NOTHING),
    ("", NOTHING),
    ([], NOTHING),
    ([" "], NOTHING),
    ("admin", ONLY_IT),
    (["admin"], ONLY_IT),
    (["member", "admin"], BOTH),
    (["member"], OTHERS),
    (["Admin"], OTHERS),
    (["admins"], OTHERS),
    ("admins", OTHERS),
    (HUGE, OTHERS),
    ([*HUGE, "admin"], BOTH),
    (None, UNKNOWN),
    (True, UNKNOWN),
    (0, UNKNOWN),
    (1.5, UNKNOWN),
    (["admin", 1], UNKNOWN),
    (["admin", None], UNKNOWN),
    (["admin", True], UNKNOWN),
    ([["admin"]], UNKNOWN),
    ([{"name": "admin"}], UNKNOWN),
]
OBJECT = [({"admin": {}}, ONLY_IT), ({}, NOTHING), ({"member": {"admin": 1}}, OTHERS)]
TEXT: list[tuple[Any, tuple[bool | None, ...]]] = [
    (ABSENT, NOTHING),
    ("", NOTHING),
    ("admin", ONLY_IT),
    ("Admin", OTHERS),
    ("admin,member", OTHERS),
    *(
        (value, UNKNOWN)
        for value in (None, True, 0, 7, 1.5, [], ["admin"], {}, {"admin": {}}, [["admin"]], 10**40, ["x"] * 1000)
    ),
]
BY_FIELD: dict[str, tuple[str, list[tuple[Any, tuple[bool | None, ...]]]]] = {
    "roles": ("roles", [*WORDS, *OBJECT, ("admin,member", BOTH), ("member, admin ", BOTH), ("admin member", OTHERS)]),
    "organization_role": ("org_role", [*WORDS, *OBJECT, ("admin,member", BOTH)]),
    "scopes": ("scope", [*WORDS, *OBJECT, ("admin member", BOTH), ("admin,member", OTHERS), (" admin  x ", BOTH)]),
    "amr": ("amr", [*WORDS, *OBJECT, ("admin member", OTHERS)]),
    "organization": ("org_id", TEXT),
    "acr": ("acr", TEXT),
    "subject": ("sub", [("admin", ONLY_IT), ("user-1", OTHERS), ("Admin", OTHERS), ("admin,member", OTHERS)]),
}


def test_every_list_dimension_has_its_claim_here() -> None:
    of_lists = {name for name, row in DIMENSIONS.items() if row.operand in {Operand.LIST, Operand.SCOPES}}
    assert of_lists == BY_FIELD.keys() | {"issuer"}


@pytest.mark.parametrize(
    ("field", "claim", "value", "truths"),
    [(field, claim, *row) for field, (claim, rows) in BY_FIELD.items() for row in rows],
    ids=lambda value: str(value)[:24] if value is not ABSENT else "absent",
)
def test_a_field_of_a_token_is_compared_as_a_list(
    field: str, claim: str, value: Any, truths: tuple[bool | None, ...]
) -> None:
    about = facts(identity_of(**{claim: value}))
    assert tuple(truth({field: {operator: ["admin"]}}, about) for operator in LISTS) == truths


def test_any_of_takes_one_and_all_of_takes_all_and_none_of_takes_none() -> None:
    about = facts(roles=("a", "b"), issuer="partner")
    table = {("a", "x"): (T, F, F), ("a", "b"): (T, T, F), ("x", "y"): (F, F, T), ("b",): (T, T, F)}
    for wanted, truths in table.items():
        assert tuple(truth({"roles": {operator: list(wanted)}}, about) for operator in LISTS) == truths
    assert [truth({"issuer": {"any_of": [name]}}, about) for name in ("partner", "app", "Partner")] == [T, F, F]


@pytest.mark.parametrize("subject", ["", None, 0, 7, True, [], ["admin"], {}])
def test_a_subject_that_is_no_text_never_reaches_a_rule(subject: Any) -> None:
    decision = decide_token(
        mint(claims() | {"sub": subject}), make_snapshot(rule=rule({"subject": {"none_of": ["x"]}}))
    )
    assert decision.reason == ("missing_claim" if subject in ("", None) else "malformed_token")


SETTINGS_OF_OPERAND: dict[Operand, list[dict[str, Any] | list[str] | int]] = {
    Operand.LIST: [{operator: ["admin"]} for operator in LISTS],
    Operand.SCOPES: [{operator: ["admin"]} for operator in LISTS],
    Operand.EMAIL: [{"domain": "example.com"}, {"verified": True}, {"domain": "example.com", "verified": "any"}],
    Operand.SESSION: [{state: wanted} for state in ("impersonated", "anonymous", "banned") for wanted in (True, False)],
    Operand.NETWORKS: [["0.0.0.0/0"], ["::/0", "0.0.0.0/0"]],
    Operand.SECONDS: [1, 31_536_000],
}


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_dimension_is_unknown_if_the_credential_says_nothing_about_it(dimension: str) -> None:
    row = DIMENSIONS[dimension]
    nothing = facts(unknown=frozenset(field.name for field in fields(Identity)), client=None)
    for setting in SETTINGS_OF_OPERAND[row.operand]:
        assert truth({dimension: setting}, nothing) is U, setting
        assert truth({"not": {dimension: setting}}, nothing) is U, setting
        assert truth({"any": [{dimension: setting}]}, nothing) is U, setting


# The value of `claims.x`, the list of the rule, and the three operators.
CLAIM: list[tuple[Any, list[Any], tuple[bool | None, ...]]] = [
    (ABSENT, ["pro"], NOTHING),
    (ABSENT, [1, True, "pro"], NOTHING),
    ("", ["pro"], OTHERS),
    ([], ["pro"], NOTHING),
    ([], [1], NOTHING),
    ("pro", ["pro"], ONLY_IT),
    (["pro"], ["pro"], ONLY_IT),
    (["pro", "team"], ["pro"], BOTH),
    ("Pro", ["pro"], OTHERS),
    ("pro,team", ["pro"], OTHERS),
    ("pro", ["pro", "team"], (T, F, F)),
    (["pro", "team"], ["pro", "team"], (T, T, F)),
    (HUGE, ["pro"], OTHERS),
    ("p" * 10_000, ["pro"], OTHERS),
    (5, [5], ONLY_IT),
    (5.0, [5], ONLY_IT),
    (5, [6], OTHERS),
    (10**300, [5], OTHERS),
    (True, [True], ONLY_IT),
    (False, [True], OTHERS),
    (5, ["5"], UNKNOWN),
    ("5", [5], UNKNOWN),
    (1, [True], UNKNOWN),
    (True, [1], UNKNOWN),
    (0, [False], UNKNOWN),
    ("true", [True], UNKNOWN),
    (True, ["true"], UNKNOWN),
    (True, [1, True], (T, F, F)),
    (1, [1, True], (T, F, F)),
    ([1, True], [1, True], (T, T, F)),
    (["pro", 5], ["pro"], UNKNOWN),
    (["pro", True], ["pro"], UNKNOWN),
    (["pro", None], ["pro"], UNKNOWN),
    (["pro", ["pro"]], ["pro"], UNKNOWN),
    (["pro", {}], ["pro"], UNKNOWN),
    ([["pro"]], ["pro"], UNKNOWN),
    (None, ["pro"], UNKNOWN),
    ({}, ["pro"], UNKNOWN),
    ({"pro": True}, ["pro"], UNKNOWN),
]


@pytest.mark.parametrize(("value", "wanted", "truths"), CLAIM, ids=lambda value: str(value)[:24])
def test_a_claim_is_compared_with_its_type(value: Any, wanted: list[Any], truths: tuple[bool | None, ...]) -> None:
    about = facts(identity_of(x=value))
    assert tuple(truth({"claims": {"x": {operator: wanted}}}, about) for operator in LISTS) == truths


@pytest.mark.parametrize(
    ("tenant", "truths"),
    [
        (ABSENT, NOTHING),
        ({}, NOTHING),
        ({"plan": []}, NOTHING),
        ({"plan": "pro"}, ONLY_IT),
        ({"plan": "free"}, OTHERS),
        ({"plan": None}, UNKNOWN),
        ({"plan": {"pro": 1}}, UNKNOWN),
        # The path leads through something that is not an object, so the claim may say anything.
        *((value, UNKNOWN) for value in (None, "", "plan", '{"plan":"pro"}', 5, True, [], ["plan"], [{"plan": "pro"}])),
    ],
)
def test_a_claim_within_a_claim_is_found_by_its_path(tenant: Any, truths: tuple[bool | None, ...]) -> None:
    about = facts(identity_of(tenant=tenant))
    assert tuple(truth({"claims": {"tenant.plan": {name: ["pro"]}}}, about) for name in LISTS) == truths


# The address, whether it is verified, and the truth of: domain example.com, that or unverified, verified alone.
EMAIL: list[tuple[Any, Any, tuple[bool | None, ...]]] = [
    (ABSENT, ABSENT, (U, U, U)),
    ("", True, (U, U, U)),
    (None, True, (U, U, U)),
    (5, True, (U, U, U)),
    (["ada@example.com"], True, (U, U, U)),
    ("ada@example.com", True, (T, T, T)),
    ("ada@example.com", "true", (T, T, T)),
    ("ada@EXAMPLE.com", True, (T, T, T)),
    ("Ada+x@example.com", True, (T, T, T)),
    ("ada@example.com", False, (U, T, U)),
    ("ada@example.com", "false", (U, T, U)),
    ("ada@example.com", ABSENT, (U, T, U)),
    ("ada@example.com", None, (U, T, U)),
    ("ada@example.com", 1, (U, T, U)),
    ("ada@example.com", "yes", (U, T, U)),
    ("ada@example.com", [True], (U, T, U)),
    ("ada@mail.example.com", True, (F, F, T)),
    ("ada@evilexample.com", True, (F, F, T)),
    ("ada@example.com.evil.example", True, (F, F, T)),
    ("ada@evil.example", False, (U, F, U)),
    ("ada@xn--exmple-cua.com", True, (F, F, T)),
    *(
        (address, True, (U, U, U))
        for address in (
            *("example.com", "@example.com", "ada@", "@", "ada", "ada@@example.com", "a@evil.example@example.com"),
            *('"ada@evil.example"@example.com', "ada@example.com.", "ada@.example.com", "ada@example..com"),
            *("ada@exämple.com", "ada@example.com\n", "ada@ example.com", "a da@example.com", "ada @example.com"),
            *("ada@example.com,b@evil.example", "<ada@example.com>", "ada@[127.0.0.1]", "ada@localhost"),
            *("ada@example.com>", "ada\x00@example.com", "ada@example.com\x00", "ada@\u212aexample.com"),
            *("ada@example\uff0ecom", "ada@-example.com", "ada@example-.com", "ada@example.com\ud800"),
        )
    ),
]


@pytest.mark.parametrize(("address", "verified", "truths"), EMAIL, ids=lambda value: ascii(value)[:40])
def test_an_address_has_exactly_one_at_sign_and_the_very_domain(
    address: Any, verified: Any, truths: tuple[bool | None, ...]
) -> None:
    about = facts(identity_of(email=address, email_verified=verified))
    settings = ({"domain": "example.com"}, {"domain": "example.com", "verified": "any"}, {"verified": True})
    assert tuple(truth({"email": setting}, about) for setting in settings) == truths


def test_an_internationalized_domain_is_compared_as_it_is_written_in_the_dns() -> None:
    wanted = {"email": {"domain": ["example.com", "xn--exmple-cua.com"]}}
    assert truth(wanted, facts(email="ada@XN--exmple-cua.com", email_verified=True)) is T
    assert truth(wanted, facts(email="ada@exämple.com", email_verified=True)) is U


# What the token states, and the truth of the rule that demands `true` and of the one that demands `false`.
SESSION: list[tuple[str, dict[str, Any], tuple[bool | None, bool | None]]] = [
    ("impersonated", {}, (U, U)),
    ("impersonated", {"act": {"sub": "admin-1"}}, (T, F)),
    *(
        ("impersonated", {"act": value}, (U, U))
        for value in (None, "", "admin-1", [], {}, {"sub": ""}, {"sub": None}, {"sub": 5}, True, ["x"] * 1000)
    ),
    ("anonymous", {}, (U, U)),
    ("anonymous", {"is_anonymous": True}, (T, F)),
    ("anonymous", {"is_anonymous": False}, (F, T)),
    ("anonymous", {"is_anonymous": "true"}, (T, F)),
    ("anonymous", {"isAnonymous": "false"}, (F, T)),
    *(
        ("anonymous", {"is_anonymous": value}, (U, U))
        for value in (None, "", "yes", 0, 1, 1.0, [], [True], {}, {"true": True})
    ),
    ("banned", {}, (U, U)),
    ("banned", {"banned": True}, (T, F)),
    ("banned", {"banned": False}, (F, T)),
    ("banned", {"banned": True, "banExpires": NOW + 1}, (T, F)),
    ("banned", {"banned": True, "banExpires": NOW}, (F, T)),
    ("banned", {"banned": True, "banExpires": "soon"}, (T, F)),
    *(("banned", {"banned": value}, (U, U)) for value in (None, "", 0, 1, [], {}, "no")),
]


@pytest.mark.parametrize(("state", "stated", "truths"), SESSION)
def test_a_state_of_the_session_is_true_false_or_not_stated(
    state: str, stated: dict[str, Any], truths: tuple[bool | None, bool | None]
) -> None:
    about = facts(identity_of(**stated))
    assert tuple(truth({"session": {state: wanted}}, about) for wanted in (True, False)) == truths


@pytest.mark.parametrize(
    ("client", "networks", "expected"),
    [
        (None, ["0.0.0.0/0"], U),
        ("10.1.2.3", ["10.0.0.0/8"], T),
        ("11.1.2.3", ["10.0.0.0/8"], F),
        ("11.1.2.3", ["10.0.0.0/8", "11.1.2.3"], T),
        ("::1", ["0.0.0.0/0"], F),
        ("10.1.2.3", ["::/0"], F),
        ("fe80::1%eth0", ["fe80::/10"], T),
    ],
)
def test_the_clients_address_is_in_a_network(client: str | None, networks: list[str], *, expected: bool | None) -> None:
    assert truth({"client": networks}, facts(client=client)) is expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0.0, T), (59.0, T), (60.0, T), (60.5, F), (1e9, F), (-30.0, T), (-30.5, U), (-1e9, U), (None, U)],
)
@pytest.mark.parametrize(
    ("dimension", "field"), [("authenticated_within_seconds", "authenticated_at"), ("token_age_seconds", "issued_at")]
)
def test_a_time_counts_if_it_is_recent_and_says_nothing_if_it_is_in_the_future(
    dimension: str, field: str, age: float | None, *, expected: bool | None
) -> None:
    at = None if age is None else NOW - age
    assert truth({dimension: 60}, facts(**{field: at})) is expected


@pytest.mark.parametrize("value", [None, "", "1800000000", True, [], {}, [NOW], -1, 1e300])
def test_a_time_of_another_type_never_reaches_a_rule(value: Any) -> None:
    for claim in ("auth_time", "iat"):
        decision = decide_token(mint(claims() | {claim: value}), make_snapshot())
        assert decision.reason == "malformed_token"


@pytest.mark.parametrize("value", [T, F, U])
def test_not_turns_true_and_false_around_and_nothing_else(*, value: bool | None) -> None:
    about = facts(unknown=frozenset({"roles"}) if value is U else frozenset(), roles=("a",) if value else ())
    assert truth({"roles": {"any_of": ["a"]}}, about) is value
    assert truth({"not": {"roles": {"any_of": ["a"]}}}, about) is (U if value is U else not value)


def test_several_keys_in_one_mapping_are_all_demanded() -> None:
    settings = {"roles": {"any_of": ["a"], "none_of": ["z"]}, "issuer": {"any_of": ["app"]}}
    assert truth(settings, facts(roles=("a",))) is T
    assert truth(settings, facts(roles=("a", "z"))) is F
    assert truth(settings, facts(roles=("a",), issuer="partner")) is F


def test_a_finding_has_the_two_values_of_each_test_and_names_the_one_that_failed() -> None:
    settings = {"roles": {"any_of": ["admin"]}, "any": [{"acr": {"any_of": ["high"]}}, {"scopes": {"all_of": ["x"]}}]}
    found = judge(rule(settings), facts(roles=("admin",), acr="low"))
    assert isinstance(found.rule, Every)
    roles, some = found.parts
    assert (roles.truth, roles.rule.expected, roles.actual) == (T, ("admin",), ("admin",))
    assert [(part.rule.name, part.truth, part.actual) for part in some.parts] == [
        ("acr.any_of", F, ("low",)),
        ("scopes.all_of", F, ()),
    ]
    assert found.failed() is some
    assert judge(rule({"roles": {"all_of": ["x"]}}), facts()).failed().rule.name == "roles.all_of"


def test_a_rule_within_all_is_named_and_one_within_not_is_not() -> None:
    inner = Comparison(dimension="roles", operator="any_of", expected=("a",))
    assert judge(Every((Every((inner,)),)), facts()).failed().rule is inner
    assert judge(Every((Not(inner),)), facts(roles=("a",))).failed().rule == Not(inner)
    assert judge(Some((inner,)), facts()).failed().rule == Some((inner,))


def test_a_test_is_named_as_the_configuration_spells_it() -> None:
    names = {"roles": {"any_of": ["a"]}, "claims": {"a.b": {"none_of": [1]}}, "client": ["::1"], "token_age_seconds": 5}
    combined = rule({**names, "email": {"verified": True}, "session": {"banned": False}})
    assert isinstance(combined, Every)
    assert [test.name for test in combined.rules] == [
        *("roles.any_of", "email.verified", "session.banned", "client", "token_age_seconds", "claims.a.b.none_of")
    ]


def test_the_issuer_of_a_rule_is_the_name_in_the_configuration() -> None:
    settings = rule({"issuer": {"any_of": ["partner"]}})
    token = mint(claims(iss="https://partner.example"))
    for name, reason in (("partner", None), ("app", "forbidden")):
        decision = decide_token(token, make_snapshot(make_issuer(name=name), rule=settings))
        assert getattr(decision, "reason", None) == reason
