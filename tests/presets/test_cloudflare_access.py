"""The tokens of Cloudflare Access, as its documentation shows them: of users, services, certificates, organizations.

https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/application-token/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.credential import HeaderPlace
from authgate.core.decision import Allow
from authgate.core.reasons import Reason
from authgate.policies import make_policies
from tests.support.deciding import decide_now, request_with
from tests.support.provider import KEY_ID, Provider, Slip, Token, times
from tests.support.published import UNREACHABLE, Published, Wrong, jwk
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.decision import Decision

ACCESS = Provider("cloudflare-access")
ISS = "https://acme.cloudflareaccess.com"
AUD = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"
OTHER_AUD = "97e2aae120121f902df8bc99fc345913ab186d174f3079ea729236766b2e7c4a"
USER_ID = "7335d417-61da-459d-899c-0a01c76a2f94"
SERVICE_ID = "e367826f93b8d71185e03fe518aff3b4.access"
HEADER, COOKIE = "Cf-Access-Jwt-Assertion", "CF_Authorization"

USER: dict[str, Any] = {
    **times(900, begins=True), "aud": [AUD], "email": "ada@example.com", "iss": ISS, "type": "app",
    "identity_nonce": "6ei69kawdKzMIAPF", "sub": USER_ID, "country": "US",
}  # fmt: skip
SERVICE: dict[str, Any] = {**times(), "type": "app", "aud": [AUD], "iss": ISS, "common_name": SERVICE_ID, "sub": ""}
CERTIFICATE = SERVICE | {"common_name": "billing-worker"}
ORGANIZATION: dict[str, Any] = {
    **times(), "type": "org", "aud": ["f6b2a5"], "iss": ISS, "sub": USER_ID, "identity_nonce": "Ab12G3z456mABkDe",
    "email": "ada@example.com",
}  # fmt: skip
LISTED = {"certificates": ["billing-worker", "door-scanner"]}


def sent(name: str, claims: dict[str, Any], answer: str = "200", **more: Any) -> Token:
    """Return a token in Cloudflare's header, whose `typ` is JWT."""
    return Token(name=name, claims=claims, answer=answer, **{"place": HEADER} | more)


TOKENS = [
    sent("of a user", USER, headers={"X-User-Id": USER_ID, "X-User-Email": "ada@example.com", "X-User-Roles": ""}),
    sent("of a user, in the cookie", USER, headers={"X-User-Id": USER_ID}, place=f"cookie:{COOKIE}"),
    sent("of a user, in Authorization", USER, headers={"X-User-Id": USER_ID}, place="Authorization"),
    sent("without typ", USER, header={"typ": ...}),
    sent("with groups", USER | {"custom": {"groups": ["admins"]}}, headers={"X-User-Roles": "admins"}),
    sent("with roles", USER | {"custom": {"groups": ["x"], "roles": "a,b"}}, headers={"X-User-Roles": "a,b"}),
    sent(
        "with another claim as roles",
        USER | {"custom": {"department": "eng"}},
        headers={"X-User-Roles": "eng", "X-User-Id": USER_ID},
        settings={"identity": {"roles": "custom.department"}},
    ),
    sent("of a service", SERVICE, headers={"X-User-Id": SERVICE_ID, "X-User-Email": ""}),
    sent("of a user with a certificate", USER | {"common_name": "anything"}, headers={"X-User-Id": USER_ID}),
    sent(
        "of a certificate",
        CERTIFICATE,
        "401 wrong_claim",
        detail="its common_name",
    ),
    sent("of a certificate that is listed", CERTIFICATE, headers={"X-User-Id": "billing-worker"}, settings=LISTED),
    sent("of a service where certificates are listed", SERVICE, settings=LISTED),
    sent("of a certificate with the id of a user", CERTIFICATE | {"common_name": USER_ID}, "401 wrong_claim"),
    sent(
        "of a certificate that is not listed",
        CERTIFICATE | {"common_name": "x"},
        "401 wrong_claim",
        settings=LISTED,
        detail="its common_name",
    ),
    sent("of a certificate with more than a client ID", SERVICE | {"common_name": f"x{SERVICE_ID}"}, "401 wrong_claim"),
    sent("of nobody", SERVICE | {"common_name": ...}, "401 missing_claim", detail="it has no sub"),
    sent("of the organization", ORGANIZATION, "401 wrong_audience"),
    sent(
        "of the organization, for the application",
        ORGANIZATION | {"aud": [AUD]},
        "401 wrong_claim",
        detail="its type",
    ),
    sent("without type", USER | {"type": ...}, "401 missing_claim", detail="it has no type"),
    sent("for another application", USER | {"aud": [OTHER_AUD]}, "401 wrong_audience"),
    sent("for one of two applications", USER | {"aud": [OTHER_AUD]}, settings={"audiences": [AUD, OTHER_AUD]}),
    sent("without an audience", USER | {"aud": ...}, "401 wrong_audience"),
    sent("of another team", USER | {"iss": "https://evil.cloudflareaccess.com"}, "401 unknown_issuer"),
    sent("of Access as a provider", USER | {"iss": f"{ISS}/cdn-cgi/access/sso/oidc/1"}, "401 unknown_issuer"),
    sent("bound to a key", USER | {"cnf": {"jkt": "x"}}, "401 wrong_claim"),
    sent("expired", USER | times(-60), "401 expired"),
    sent("not yet valid", USER | {"nbf": USER["iat"] + 600}, "401 not_yet_valid"),
]
SLIPS = [
    Slip(settings={"team": f"{ISS}/"}, setting="team", message="write acme"),
    Slip(settings={"team": "acme.cloudflareaccess.com"}, setting="team", message="write acme"),
    Slip(settings={"team": "app.example.com"}, setting="team", message="write what is before .cloudflareaccess.com"),
    Slip(settings={"team": "Acme Inc"}, setting="team", message="is not the name of a team"),
    Slip(settings={"team": ""}, setting="team", message="is not the name of a team"),
    Slip(settings={"team": None}, setting="team", message="is missing"),
    Slip(settings={"audiences": None}, setting="audiences", message="Application Audience (AUD) Tag"),
    Slip(settings={"certificates": []}, setting="certificates", message="is empty"),
    Slip(settings={"certificates": USER_ID.upper()}, setting="certificates[0]", message="is the id of a user"),
    Slip(settings={"certificates": ["a", SERVICE_ID]}, setting="certificates[1]", message="is the id of a service"),
]
PEM = "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n"
PUBLISHED = [
    Published(
        keys_url=f"{ISS}/cdn-cgi/access/certs",
        keys=[jwk("a"), jwk("b")],
        beside={
            "public_cert": {"kid": "a", "cert": PEM},
            "public_certs": [{"kid": "a", "cert": PEM}, {"kid": "b", "cert": PEM}],
        },
        wrong=[Wrong(settings={"team": "acne"}, message=UNREACHABLE, host="acne.cloudflareaccess.com")],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    ACCESS.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    ACCESS.check_slip(tmp_path, slip)


def test_the_name_of_the_team_may_have_capitals(tmp_path: Path) -> None:
    assert ACCESS.decide(tmp_path, USER, settings={"team": "Acme"}, place=HEADER).answer == "200"


@pytest.mark.parametrize("audience", ["app.example.com", SERVICE_ID, "023e105f4ecef8ad9ca31a8372d0c353"])
def test_an_audience_that_is_no_tag_is_a_warning(tmp_path: Path, audience: str) -> None:
    warnings = ACCESS.prepared(tmp_path, {"audiences": [audience]}).warnings
    assert [warning for warning in warnings if "is not an AUD tag" in warning]
    assert not [warning for warning in ACCESS.prepared(tmp_path).warnings if "is not an AUD tag" in warning]


def decided(folder: Path, *headers: tuple[str, str], **settings: Any) -> Decision:
    return decide_now(request_with(*headers), ACCESS.prepared(folder, **settings).snapshot)


ASSERTION = (HEADER, mint(USER, algorithm="RS256", header={"kid": KEY_ID}))
# What clients send to the service behind, or to Cloudflare: some settings let it read a service token from there.
FOREIGN = [
    "Basic c3RhZ2luZzpzdGFnaW5n",
    '{"cf-access-client-id": "e367.access", "cf-access-client-secret": "Bearer s3cret"}',
    "Bearer an-opaque-token-for-the-service",
    "Bearer",
    "Token token=abc",
]


@pytest.mark.parametrize("authorization", FOREIGN)
def test_what_clients_write_in_authorization_does_not_disturb(tmp_path: Path, authorization: str) -> None:
    decision = decided(tmp_path, ("Authorization", authorization), ASSERTION)
    assert isinstance(decision, Allow)
    assert decision.identity
    assert decision.identity.subject == USER_ID


def test_the_header_decides_where_a_cookie_has_another_user(tmp_path: Path) -> None:
    other = mint(USER | {"sub": "someone-else"}, algorithm="RS256", header={"kid": KEY_ID})
    decision = decided(tmp_path, ("Cookie", f"access_token=x; {COOKIE}={other}"), ASSERTION)
    assert isinstance(decision, Allow)
    assert decision.identity
    assert decision.identity.subject == USER_ID


def test_the_header_of_the_address_alone_proves_nothing(tmp_path: Path) -> None:
    decision = decided(tmp_path, ("Cf-Access-Authenticated-User-Email", "ada@example.com"))
    assert not isinstance(decision, Allow)
    assert decision.reason is Reason.NO_CREDENTIAL


@pytest.mark.parametrize(
    ("credentials", "answer"),
    [([{"session": "access"}], Reason.NO_CREDENTIAL), ([{"header": "Authorization"}], None)],
    ids=["its own places", "Authorization"],
)
def test_credentials_name_the_places_of_the_issuer(
    tmp_path: Path, credentials: list[dict[str, str]], answer: Reason | None
) -> None:
    bearer = ("Authorization", f"Bearer {ASSERTION[1]}")
    decision = decided(tmp_path, bearer, credentials=credentials)
    assert (None if isinstance(decision, Allow) else decision.reason) is answer
    assert isinstance(decided(tmp_path, ASSERTION, credentials=credentials), Allow)


@pytest.mark.parametrize(
    ("others", "first"), [([], HEADER), (["better-auth"], "Authorization"), (["jwt"], "Authorization")]
)
def test_authorization_comes_last_only_if_access_is_the_only_issuer(
    tmp_path: Path, others: list[str], first: str
) -> None:
    issuers = ACCESS.configuration()["issuers"] + [
        {"name": "other", "preset": preset, "secret": "x" * 64, "subject_prefix": "o:"} for preset in others
    ]
    loaded = ACCESS.load(tmp_path, issuers=issuers)
    assert loaded.config
    (policy,) = make_policies(loaded.config, loaded.issuers).policies
    names = [place.name for place in policy.places if isinstance(place, HeaderPlace)]
    assert names == [first, *({HEADER, "Authorization"} - {first})]
