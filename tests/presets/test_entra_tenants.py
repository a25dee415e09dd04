"""Which tenant a token of Entra ID is from: tenants' keys, several issuers, and Microsoft's other products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.config.load import load
from tests.support.deciding import decide_now, request_with
from tests.support.documented import blocks
from tests.support.entra import (
    ACCESS,
    ACCESS_1,
    ANY,
    API,
    ENTRA,
    OTHER,
    PAGE,
    PERSONAL,
    TEMPLATE,
    TENANT,
    TWO,
    USER,
    keys,
    version_1,
    version_2,
)
from tests.support.provider import KEY_ID, times
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.situations.explained import Explained


@pytest.mark.parametrize(
    ("issuer", "claims", "settings", "answer"),
    [
        (TEMPLATE, ACCESS, {}, "200"),
        (TEMPLATE, ACCESS_1, {}, "200"),
        (TEMPLATE, ACCESS | version_2(OTHER), ANY, "200"),
        (version_2()["iss"], ACCESS, {}, "200"),
        (version_2()["iss"], ACCESS_1, {}, "200"),
        (version_2()["iss"], ACCESS | version_2(OTHER), ANY, "401 wrong_claim"),
        (version_2()["iss"], ACCESS_1 | version_1(OTHER), TWO, "401 wrong_claim"),
        (version_2(PERSONAL)["iss"], ACCESS, {}, "401 wrong_claim"),
        (version_2(PERSONAL)["iss"], ACCESS, ANY, "401 wrong_claim"),
        (version_2(PERSONAL)["iss"], ACCESS | version_2(PERSONAL), ANY, "200"),
        ("https://login.microsoftonline.us/{tenantid}/v2.0", ACCESS, {}, "401 wrong_claim"),
    ],
)
def test_a_key_signs_for_the_tenants_that_its_issuer_names(
    tmp_path: Path, issuer: str, claims: Mapping[str, Any], settings: Mapping[str, Any], answer: str
) -> None:
    settings = {"jwks_file": keys(tmp_path, issuer=issuer), **settings}
    decision = ENTRA.decide(tmp_path, claims, settings=settings)
    assert decision.answer == answer, decision.detail
    assert ("its key signs for" in decision.detail) == (answer != "200")


def test_the_id_of_a_tenant_need_not_be_a_guid(tmp_path: Path) -> None:
    settings = {"tenant": None, "tenants": ["t-one"], "audiences": ["api-1"]}
    one = {**times(), **version_2("t-one"), "aud": "api-1", "oid": "0d-t-one", "sub": "p", "scp": "x"}
    decision = ENTRA.decide(tmp_path, one, settings=settings)
    assert (decision.answer, decision.headers["X-User-Id"]) == ("200", "0d-t-one")
    foreign = one | version_2("t-foreign") | {"oid": "0d-t-foreign"}
    assert ENTRA.decide(tmp_path, foreign, settings=settings).answer == "401 unknown_issuer"
    elsewhere = one | {"iss": "https://evil.example.com"}
    assert ENTRA.decide(tmp_path, elsewhere, settings=settings).answer == "401 unknown_issuer"


def several(folder: Path, *issuers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return *issuers* of preset entra unless they state another, with keys and a prefix each but the first."""
    return [
        {"name": f"i{number}", "preset": "entra", "audiences": [API], "jwks_file": keys(folder)}
        | ({"subject_prefix": f"{number}:"} if number else {})
        | dict(issuer)
        for number, issuer in enumerate(issuers)
    ]


OF_ANY_ISS = {"preset": "jwt", "identity": {"subject": "oid"}}


@pytest.mark.parametrize(
    ("issuers", "claims", "user"),
    [
        ([{"tenants": "any"}, {"tenant": TENANT}], version_2(), f"1:{USER}"),
        ([{"tenants": "any"}, {"tenant": TENANT}], version_1(), f"1:{USER}"),
        ([{"tenants": "any"}, {"tenant": TENANT}], version_2(OTHER), USER),
        ([OF_ANY_ISS, {"tenants": "any"}], version_2(), f"1:{USER}"),
        ([{"tenants": "any"}, OF_ANY_ISS], version_2(), USER),
        ([OF_ANY_ISS, {"tenants": "any"}], {"iss": "https://ids.example.com"}, USER),
        ([OF_ANY_ISS, {"tenant": TENANT}], version_2(), f"1:{USER}"),
        ([OF_ANY_ISS, {"tenant": TENANT}], version_2(OTHER), USER),
    ],
)
def test_a_token_goes_to_the_issuer_that_names_its_tenant_most_exactly(
    tmp_path: Path, issuers: list[dict[str, Any]], claims: dict[str, Any], user: str
) -> None:
    decision = ENTRA.decide(tmp_path, ACCESS | claims, issuers=several(tmp_path, *issuers))
    assert decision.headers.get("X-User-Id") == user, decision.detail


@pytest.mark.parametrize(
    ("issuers", "message"),
    [
        ([{"tenants": "any"}, {"tenants": "any"}], "https://login.microsoftonline.com/{tenant}/v2.0"),
        ([{"tenant": TENANT}, {"tenants": [OTHER, TENANT]}], f"https://sts.windows.net/{TENANT}/"),
        ([{"tenants": "any"}, {"tenants": "any", "authority": "login.microsoftonline.us"}], "https://sts.windows.net/"),
    ],
)
def test_two_issuers_of_the_same_tenants_are_reported(
    tmp_path: Path, issuers: list[dict[str, Any]], message: str
) -> None:
    problems = ENTRA.load(tmp_path, issuers=several(tmp_path, *issuers)).problems
    assert any(message in problem.message and "cannot tell" in problem.message for problem in problems), problems


def other_product(folder: Path, number: int, token: Mapping[str, Any]) -> Explained:
    """Return the decision on *token* under the page's configuration number *number*, with the tests' key."""
    config = yaml.safe_load(blocks(ENTRA.page, "Configuration", "yaml")[number])
    (folder / "as-it-is.yaml").write_text(yaml.safe_dump(config))
    assert not load(str(folder / "as-it-is.yaml"), {}).problems
    (issuer,) = config["issuers"]
    issuer.pop("jwks_url")
    return ENTRA.decide(folder, token, issuers=[issuer | {"jwks_file": keys(folder)}])


EXTERNAL = ACCESS | {"iss": f"https://{TENANT}.ciamlogin.com/{TENANT}/v2.0"}
B2C: dict[str, Any] = {
    **times(begins=True), "iss": f"https://contoso.b2clogin.com/{TENANT}/v2.0/", "aud": API, "azp": PAGE, "ver": "1.0",
    "oid": USER, "sub": "Not supported currently. Use oid claim.", "tfp": "B2C_1_signin", "scp": "tasks.read",
    "emails": ["abeli@example.com"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "token", "answer"),
    [
        (1, EXTERNAL, "200"),
        (1, EXTERNAL | {"azp": ...}, "401 missing_claim"),
        (1, EXTERNAL | version_2(), "401 unknown_issuer"),
        (2, B2C, "200"),
        (2, B2C | {"oid": ...}, "401 missing_claim"),
        (2, B2C | {"tfp": "B2C_1_weak"}, "401 wrong_claim"),
        (2, B2C | {"azp": ..., "scp": ..., "nonce": "n"}, "401 wrong_type"),
        (2, B2C | {"azp": ..., "scp": ...}, "401 missing_claim"),
    ],
)
def test_preset_jwt_reads_external_id_and_b2c(
    tmp_path: Path, number: int, token: Mapping[str, Any], answer: str
) -> None:
    decision = other_product(tmp_path, number, token)
    assert decision.answer == answer, decision.detail
    assert decision.headers.get("X-User-Id", USER) == USER


def test_two_users_of_b2c_in_two_cookies_are_two_people(tmp_path: Path) -> None:
    config = yaml.safe_load(blocks(ENTRA.page, "Configuration", "yaml")[2])
    (issuer,) = config["issuers"]
    issuer.pop("jwks_url")
    prepared = ENTRA.prepared(tmp_path, issuers=[issuer | {"jwks_file": keys(tmp_path)}])
    ada, bob = (mint(B2C | {"oid": user}, algorithm="RS256", header={"kid": KEY_ID}) for user in ("ada", "bob"))
    for second, reason in ((bob, "ambiguous_credential"), (ada, None)):
        cookies = ("Cookie", f"access_token={ada}; access_token={second}")
        decision = decide_now(request_with(cookies), prepared.snapshot)
        assert getattr(decision, "reason", None) == reason
