"""What issuers demand of claims, and the `iss` of tenants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.core.decision import Allow, Deny
from authgate.core.demands import Demand, Form, TenantIssuers, Traits
from authgate.core.reasons import Reason
from authgate.core.snapshot import Accept
from tests.support.deciding import decide_token, make_issuer, make_snapshot
from tests.support.tokens import claims, mint

CLIENT = Demand(paths=(("azp",), ("appid",)), accepted=("web",), setting="clients")
ANY_CLIENT = Demand(paths=(("azp",), ("appid",)), accepted=None, setting="preset acme")
STATE = Demand(paths=(("sts",),), accepted=("active",), setting="preset acme", optional=True)
UNBOUND = Demand(paths=(("cnf",),), accepted=(), setting="preset acme", optional=True)
ROBOT = Demand(
    paths=(("name",),),
    accepted=("curiosity",),
    form=Form(r"r2-d\d", "the name of a droid"),
    setting="robots",
    optional=True,
    unless=("email",),
)
OF_WEB = Demand(paths=(("hd",),), accepted=("example.com",), setting="domains", audiences=("web", "app"))
TENANTS = TenantIssuers(
    claim=("tid",), templates=("https://login.example/{tenant}/v2.0", "https://sts.example/{tenant}/")
)


def answer(payload: dict[str, Any], **changes: Any) -> tuple[Reason | None, str]:
    """Return why a token with *payload* is refused by an issuer with *changes*, and the detail; None if it is not."""
    decision = decide_token(mint(claims() | payload), make_snapshot(make_issuer(**changes)))
    if isinstance(decision, Allow):
        return None, ""
    assert isinstance(decision, Deny)
    return decision.reason, decision.detail


@pytest.mark.parametrize(
    ("demand", "payload", "reason", "detail"),
    [
        (CLIENT, {"azp": "web"}, None, ""),
        (CLIENT, {"appid": "web"}, None, ""),
        (CLIENT, {"azp": "web", "appid": "web"}, None, ""),
        (CLIENT, {"azp": ["other", "web"]}, None, ""),
        (CLIENT, {"azp": "web", "appid": "other"}, Reason.WRONG_CLAIM, 'its appid is "other"; clients accepts "web"'),
        (CLIENT, {"azp": "other", "appid": "web"}, Reason.WRONG_CLAIM, 'its azp is "other"; clients accepts "web"'),
        (CLIENT, {}, Reason.MISSING_CLAIM, "it has no azp or appid, which clients demands"),
        (CLIENT, {"azp": "", "appid": None}, Reason.MISSING_CLAIM, "it has no azp or appid"),
        (ANY_CLIENT, {"appid": "whatever"}, None, ""),
        (ANY_CLIENT, {}, Reason.MISSING_CLAIM, "it has no azp or appid, which preset acme demands"),
        (STATE, {}, None, ""),
        (STATE, {"sts": "active"}, None, ""),
        (STATE, {"sts": "pending"}, Reason.WRONG_CLAIM, 'its sts is "pending"; preset acme accepts "active"'),
        (STATE, {"sts": {"active": 1}}, Reason.WRONG_CLAIM, "its sts is"),
        (ROBOT, {"name": "curiosity"}, None, ""),
        (ROBOT, {"name": "r2-d2"}, None, ""),
        (ROBOT, {"name": "ada", "email": "ada@example.com"}, None, ""),
        (
            ROBOT,
            {"name": "r2-d2 ", "email": ""},
            Reason.WRONG_CLAIM,
            'its name is "r2-d2 "; robots accepts "curiosity", the name of a droid',
        ),
        (ROBOT, {"name": 2}, Reason.WRONG_CLAIM, "its name is 2"),
        (ROBOT, {"name": ["r2-d2"]}, Reason.WRONG_CLAIM, "its name is"),
        (OF_WEB, {"aud": "web", "hd": "example.com"}, None, ""),
        (OF_WEB, {"aud": "job"}, None, ""),
        (OF_WEB, {}, None, ""),
        (OF_WEB, {"aud": ["job", "app"]}, Reason.MISSING_CLAIM, "it has no hd, which domains demands"),
        (OF_WEB, {"aud": "web", "hd": "evil.example"}, Reason.WRONG_CLAIM, 'its hd is "evil.example"'),
        (UNBOUND, {}, None, ""),
        (UNBOUND, {"cnf": {"jkt": "x"}}, Reason.WRONG_CLAIM, "it has cnf, and preset acme refuses such tokens"),
    ],
)
def test_a_token_has_the_claims_that_its_issuer_demands(
    demand: Demand, payload: dict[str, Any], reason: Reason | None, detail: str
) -> None:
    found, shown = answer(payload, demands=(demand,))
    assert found is reason, shown
    assert detail in shown


CLAIM = st.sampled_from(
    [None, "", "web", "active", "curiosity", "r2-d2", "1", 1, True, 0, [], ["web"], [""], {}, {"a": 1}]
)
DEMAND = st.builds(
    Demand,
    paths=st.lists(st.sampled_from([("a",), ("b",), ("c", "d")]), min_size=1, max_size=3).map(tuple),
    accepted=st.none() | st.lists(st.sampled_from(["web", "active", "", 1, True, 0]), max_size=3).map(tuple),
    form=st.none() | st.just(Form(r"r2-d\d", "the name of a droid")),
    optional=st.booleans(),
    unless=st.none() | st.just(("e",)),
)


@given(DEMAND, st.dictionaries(st.sampled_from("abcde"), CLAIM | st.dictionaries(st.just("d"), CLAIM)))
def test_a_demand_that_is_plainly_met_is_met(demand: Demand, payload: dict[str, Any]) -> None:
    if demand.is_plainly_met(payload):
        present = [value for _, value in demand.present(payload)]
        assert present or demand.optional
        assert not (present and demand.forbids)
        assert all(map(demand.accepts, present))


@pytest.mark.parametrize("demand", [CLIENT, ANY_CLIENT, STATE, UNBOUND, OF_WEB], ids=lambda demand: demand.label)
def test_most_demands_are_plainly_met_by_ordinary_tokens(demand: Demand) -> None:
    assert demand.is_plainly_met({"azp": "web", "appid": "web", "sts": "active", "hd": "example.com"})


@pytest.mark.parametrize(
    ("demand", "words"),
    [
        (CLIENT, 'azp or appid "web"'),
        (ANY_CLIENT, "azp or appid"),
        (STATE, 'sts "active", if it has sts'),
        (UNBOUND, "no cnf"),
        (ROBOT, 'name "curiosity" or the name of a droid, if it has no email'),
        (OF_WEB, 'hd "example.com", in tokens for web or app'),
    ],
)
def test_a_demand_is_written_for_people(demand: Demand, words: str) -> None:
    assert demand.in_words == words


@pytest.mark.parametrize(
    ("any_tenant", "payload", "reason"),
    [
        (True, {"iss": "https://login.example/t-1/v2.0", "tid": "t-1"}, None),
        (True, {"iss": "https://sts.example/t-1/", "tid": "t-1"}, None),
        (True, {"iss": "https://login.example/t-1/v2.0", "tid": "t-2"}, Reason.WRONG_CLAIM),
        (True, {"iss": "https://login.example/t-1/v2.0"}, Reason.MISSING_CLAIM),
        (True, {"iss": "https://login.example/t-1/v2.0", "tid": ["t-1"]}, Reason.MISSING_CLAIM),
        (True, {"iss": "https://login.example/t-1", "tid": "t-1"}, Reason.UNKNOWN_ISSUER),
        (True, {"iss": "https://login.example//v2.0", "tid": ""}, Reason.UNKNOWN_ISSUER),
        (True, {"iss": "https://login.example/a/b/v2.0", "tid": "a/b"}, Reason.UNKNOWN_ISSUER),
        (True, {"iss": "https://evil.example/t-1/v2.0", "tid": "t-1"}, Reason.UNKNOWN_ISSUER),
        (True, {}, Reason.UNKNOWN_ISSUER),
        (False, {"iss": "https://login.example/t-1/v2.0", "tid": "t-1"}, None),
        (False, {"iss": "https://login.example/t-1/v2.0", "tid": "t-2"}, Reason.WRONG_CLAIM),
        (False, {"iss": "https://login.example/t-2/v2.0", "tid": "t-2"}, Reason.UNKNOWN_ISSUER),
    ],
)
def test_the_iss_of_a_token_is_that_of_its_tenant(
    *, any_tenant: bool, payload: dict[str, Any], reason: Reason | None
) -> None:
    iss = "https://login.example/{tenant}/v2.0" if any_tenant else "https://login.example/t-1/v2.0"
    found, shown = answer(payload, iss=iss, traits=Traits(tenants=replace(TENANTS, accepts_any=any_tenant)))
    assert found is reason, shown


@given(st.text(st.characters(codec="ascii"), max_size=12), st.sampled_from(TENANTS.templates))
def test_an_iss_fits_exactly_if_it_is_made_from_a_template(tenant: str, template: str) -> None:
    iss = template.replace("{tenant}", tenant)
    assert TENANTS.fit(iss) == (bool(tenant) and "/" not in tenant)
    assert not TENANTS.fit(f"{iss}/x")
    assert not TENANTS.fit(f"x{iss}")


def test_an_issuer_of_every_tenant_comes_before_one_of_any_iss_and_after_one_that_names_the_tenant() -> None:
    of_any_iss = make_issuer(name="any")
    any_tenant = Traits(tenants=replace(TENANTS, accepts_any=True))
    of_tenants = make_issuer(name="tenants", iss=TENANTS.templates[0], traits=any_tenant)
    of_one = make_issuer(name="one", iss="https://login.example/t-1/v2.0")
    snapshot = make_snapshot(of_any_iss, of_tenants, of_one)
    chosen = {}
    for tenant in ("t-1", "t-2"):
        token = mint(claims(iss=f"https://login.example/{tenant}/v2.0", tid=tenant))
        decision = decide_token(token, snapshot)
        assert isinstance(decision, Allow)
        chosen[tenant] = decision.identity.issuer if decision.identity else ""
    assert chosen == {"t-1": "one", "t-2": "tenants"}


def test_a_claim_that_only_access_tokens_have_allows_a_nonce_and_nothing_else() -> None:
    marks = Traits(access_marks=(("uid",),))
    assert answer({"nonce": "n"}, traits=marks)[0] is Reason.WRONG_TYPE
    assert answer({"nonce": "n", "uid": "u"}, traits=marks)[0] is None
    assert answer({"at_hash": "h", "uid": "u"}, traits=marks)[0] is Reason.WRONG_TYPE
    assert answer({"uid": "u", "aud": "a"}, traits=marks, accept=Accept.ID_TOKEN)[0] is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("provider", "state"),
    [("anonymous", True), ("password", False), (None, None), (["anonymous"], None)],
)
def test_a_flag_is_true_if_the_claim_has_its_value(provider: object, *, state: bool | None) -> None:
    issuer = make_issuer(traits=Traits(flags=(("is_anonymous", ("firebase", "sign_in_provider"), "anonymous"),)))
    token = mint(claims(firebase={"sign_in_provider": provider}))
    decision = decide_token(token, make_snapshot(issuer, account_rules=()))
    assert isinstance(decision, Allow)
    assert decision.identity is not None
    assert decision.identity.is_anonymous is (state is True)
    assert ("is_anonymous" in decision.identity.unknown) == (state is None)


@pytest.mark.parametrize(
    ("act", "impersonated_by", "is_known"),
    [
        ({"sub": "support"}, "support", True),
        (None, None, True),  # left out
        ({"sub": 5}, None, False),
        ({}, None, False),
        ({"iss": "https://dashboard.example", "sub": ""}, None, False),
    ],
)
def test_an_absent_claim_says_no_where_the_issuer_always_writes_it_for_yes(
    act: object, impersonated_by: str | None, *, is_known: bool
) -> None:
    issuer = make_issuer(traits=Traits(no_if_absent=("impersonated_by",)))
    decision = decide_token(mint(claims(act=act)), make_snapshot(issuer))
    assert isinstance(decision, Allow)
    assert decision.identity is not None
    assert decision.identity.impersonated_by == impersonated_by
    assert ("impersonated_by" not in decision.identity.unknown) == is_known
