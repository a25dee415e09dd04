"""ZITADEL's tokens, as its server makes them (versions 3 and 4): access and ID tokens, of users and of service users.

https://zitadel.com/docs/apis/openidoauth/claims, and internal/api/oidc (token.go, userinfo.go, client_credentials.go)
in its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.situations.explained import bearer, explained, publish
from tests.support.documented import blocks
from tests.support.provider import KEY_ID, Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, Published, Wrong
from tests.support.tokens import mint, public_jwk

if TYPE_CHECKING:
    from pathlib import Path

ZITADEL = Provider("zitadel")
ISS = "https://acme-x1y2z3.zitadel.cloud"
PROJECT, FOREIGN_PROJECT = "294645900000000001", "294645900000000002"
CLIENT, OTHER_CLIENT = "294645919545032706", "294645919545032707"
USER, ROBOT = "286399320075272196", "286399320075272197"
ORGANIZATION, DOMAIN = "286399000000000001", "acme.zitadel.cloud"
PREFIX = "urn:zitadel:iam:org:project"


def roles(*names: str) -> dict[str, dict[str, str]]:
    """Return a claim of roles: the role, and in which organization the user holds it."""
    return {name: {ORGANIZATION: DOMAIN} for name in names}


ACCESS: dict[str, Any] = {
    **times(begins=True), "iss": ISS, "sub": USER, "aud": [CLIENT, OTHER_CLIENT, PROJECT], "client_id": CLIENT,
    "jti": "V2_296398617516703746-at_296398617516769282",
    f"{PREFIX}:roles": roles("admin", "reader"), f"{PREFIX}:{PROJECT}:roles": roles("admin", "reader"),
    "urn:zitadel:iam:user:resourceowner:id": ORGANIZATION, "urn:zitadel:iam:user:resourceowner:name": "Acme",
}  # fmt: skip
ID: dict[str, Any] = {
    **times(), "iss": ISS, "sub": USER, "aud": [CLIENT, OTHER_CLIENT, PROJECT], "azp": CLIENT, "client_id": CLIENT,
    "auth_time": 1_799_999_900, "amr": ["pwd"], "at_hash": "x", "sid": "V1_296", "nonce": "n",
    "email": "ada@example.com", "email_verified": True, "name": "Ada L",
}  # fmt: skip
# A client of another project asked for the scope of this project's audience. There, the user is its boss.
FROM_FOREIGN_PROJECT = ACCESS | {
    "aud": ["111", FOREIGN_PROJECT, PROJECT], "client_id": "111", f"{PREFIX}:roles": roles("boss"),
    f"{PREFIX}:{FOREIGN_PROJECT}:roles": roles("boss"), f"{PREFIX}:{PROJECT}:roles": roles("reader"),
}  # fmt: skip
OF_PROGRAM: dict[str, Any] = {
    **times(43_200, begins=True), "iss": ISS, "sub": ROBOT, "aud": [PROJECT], "client_id": "reports",
    "jti": "V2_297-at_298", f"{PREFIX}:{PROJECT}:roles": roles("reporter"),
}  # fmt: skip
# What a service user signs with its own key to get a token (JWT profile).
ASSERTION: dict[str, Any] = {**times(), "iss": ROBOT, "sub": ROBOT, "aud": ISS}

ANY = {"clients": "any"}
TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        headers={"X-User-Id": USER, "X-User-Roles": "admin,reader", "X-User-Email": "", "X-User-Name": ""},
    ),
    Token(name="of a user without roles", claims={**ACCESS, f"{PREFIX}:{PROJECT}:roles": ...}),
    Token(name="with a scope", claims=ACCESS | {"scope": "openid profile"}),
    Token(name="of a program", claims=OF_PROGRAM, answer="401 wrong_claim", detail="its client_id"),
    Token(
        name="of a program that is listed",
        claims=OF_PROGRAM,
        settings={"clients": [CLIENT, "reports"]},
        headers={"X-User-Id": ROBOT, "X-User-Roles": "reporter"},
    ),
    Token(
        name="of a program with a key",
        claims=OF_PROGRAM | {"client_id": ROBOT},
        settings={"clients": ROBOT},
        headers={"X-User-Id": ROBOT},
    ),
    Token(name="of a program for no project", claims=OF_PROGRAM | {"aud": ["reports"]}, answer="401 wrong_audience"),
    Token(name="of a client of another project", claims=FROM_FOREIGN_PROJECT, answer="401 wrong_claim"),
    Token(
        name="of a client of another project, accepted",
        claims=FROM_FOREIGN_PROJECT,
        settings=ANY,
        headers={"X-User-Roles": "reader"},
    ),
    Token(
        name="with the roles of another project alone",
        claims={**FROM_FOREIGN_PROJECT, f"{PREFIX}:{PROJECT}:roles": ...},
        settings=ANY,
        headers={"X-User-Roles": ""},
    ),
    Token(name="for another project", claims=ACCESS | {"aud": [FOREIGN_PROJECT]}, answer="401 wrong_audience"),
    Token(name="without a client", claims=ACCESS | {"client_id": ...}, settings=ANY, answer="401 missing_claim"),
    Token(name="an ID token", claims=ID, answer="401 wrong_type", detail="at_hash"),
    Token(
        name="an ID token without other marks",
        claims=ID | {"at_hash": ..., "nonce": ...},
        answer="401 missing_claim",
        detail="it has no jti",
    ),
    Token(
        name="an ID token with jti",
        claims=ID | {"at_hash": ..., "nonce": ..., "jti": "x"},
        answer="401 wrong_claim",
        detail="it has azp",
    ),
    Token(
        name="an ID token, accepted",
        claims=ID,
        settings={"accept": "id_token"},
        headers={"X-User-Id": USER, "X-User-Email": "ada@example.com"},
    ),
    Token(
        name="an ID token of another client",
        claims=ID | {"azp": OTHER_CLIENT},
        settings={"accept": "id_token"},
        answer="401 wrong_claim",
    ),
    Token(name="an assertion of a program", claims=ASSERTION, answer="401 unknown_issuer"),
    Token(
        name="of another instance", claims=ACCESS | {"iss": "https://evil.zitadel.cloud"}, answer="401 unknown_issuer"
    ),
    Token(name="of a domain without TLS", claims=ACCESS | {"iss": ISS.replace("s:", ":")}, answer="401 unknown_issuer"),
    Token(name="bound by DPoP", claims=ACCESS | {"cnf": {"jkt": "x"}}, answer="401 wrong_claim"),
    Token(name="under EdDSA", claims=ACCESS, algorithm="Ed25519", header={"alg": "EdDSA"}),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
]
SLIPS = [
    Slip(settings={"domain": ISS}, setting="domain", message="write acme-x1y2z3.zitadel.cloud"),
    Slip(settings={"domain": f"{ISS}/ui/console"}, setting="domain", message="write acme-x1y2z3.zitadel.cloud"),
    Slip(settings={"domain": None}, setting="domain", message="is missing"),
    Slip(settings={"project_id": f"{CLIENT}@shop"}, setting="project_id", message="copy the Resource Id"),
    Slip(settings={"project_id": "shop"}, setting="project_id", message="is not the ID of a project"),
    Slip(settings={"project_id": True}, setting="project_id", message="is not text"),
    Slip(settings={"project_id": None}, setting="project_id", message="is missing"),
    Slip(settings={"clients": PROJECT}, setting="clients", message="lists the ID of the project"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"clients": None}, setting="clients", message="is missing"),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}/oauth/v2/keys",
        wrong=[Wrong(settings={"domain": "zitadel.example.com"}, message=ANOTHER_ISSUER, host="zitadel.example.com")],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    ZITADEL.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    ZITADEL.check_slip(tmp_path, slip)


def test_a_secret_in_place_of_the_project_is_not_shown(tmp_path: Path) -> None:
    assert "s3cret" not in str(ZITADEL.problems(tmp_path, {"project_id": "s3cret"}))


def test_the_id_of_the_project_needs_no_quotes(tmp_path: Path) -> None:
    assert ZITADEL.decide(tmp_path, ACCESS, settings={"project_id": int(PROJECT)}).headers["X-User-Id"] == USER


@pytest.mark.parametrize("clients", [int(CLIENT), [int(CLIENT)]], ids=str)
def test_the_ids_of_clients_need_no_quotes(tmp_path: Path, clients: object) -> None:
    assert ZITADEL.decide(tmp_path, ACCESS, settings={"clients": clients}).headers["X-User-Id"] == USER


def test_the_organization_is_that_of_the_user(tmp_path: Path) -> None:
    headers = {"X-User-Id": "subject", "X-Organization": "organization"}
    assert ZITADEL.decide(tmp_path, ACCESS, headers=headers).headers["X-Organization"] == ORGANIZATION


def test_an_instance_without_tls_on_this_machine(tmp_path: Path) -> None:
    local = {"domain": "localhost:8080", "issuer": "http://localhost:8080"}
    assert ZITADEL.problems(tmp_path, local) == {}
    assert ZITADEL.decide(tmp_path, ACCESS | {"iss": local["issuer"]}, settings=local).answer == "200"


@pytest.mark.parametrize(("organization", "answer"), [(ORGANIZATION, "200"), ("286399000000000002", "403 forbidden")])
def test_the_rule_of_the_page_demands_the_role_in_one_organization(
    tmp_path: Path, organization: str, answer: str
) -> None:
    (example,) = blocks(ZITADEL.page, "Roles", "yaml")
    claims = {**ACCESS, f"{PREFIX}:{PROJECT}:roles": {"admin": {organization: DOMAIN}}}
    policies = yaml.safe_load(example)["policies"]
    assert policies[0].pop("match") == {"path": "/acme/admin/**"}
    assert ZITADEL.decide(tmp_path, claims, policies=policies).answer == answer


def test_explain_says_how_to_get_a_jwt_instead_of_an_opaque_token(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", "296"))
    config = yaml.safe_dump(ZITADEL.configuration({"jwks_file": "jwks.json"}))
    opaque = "Tq2T9i0RZ5aLhXmPZ0bBvC1nXyW8_dKsFgHjKlQwErTyUiOpAsDfGh"
    decided = explained(tmp_path, config, {"Authorization": f"Bearer {opaque}"})
    assert decided.answer == "401 malformed_token"
    assert "set Auth Token Type to JWT" in decided.text


def test_explain_asks_whether_the_token_is_an_id_token(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", KEY_ID))
    config = yaml.safe_dump(ZITADEL.configuration({"jwks_file": "jwks.json"}))
    unmarked = {name: value for name, value in ID.items() if name not in {"at_hash", "nonce"}}
    decided = explained(tmp_path, config, bearer(mint(unmarked, algorithm="RS256", header={"kid": KEY_ID})))
    assert decided.answer == "401 missing_claim"
    assert any("have such a claim, and ID tokens do not" in hint for hint in decided.hints)


@pytest.mark.parametrize(("require", "is_warned"), [("signed_in", True), ({"roles": {"any_of": ["admin"]}}, False)])
def test_any_client_is_a_warning_if_a_policy_demands_no_role(tmp_path: Path, require: Any, *, is_warned: bool) -> None:
    policies = [{"name": "all", "require": require}]
    warnings = ZITADEL.prepared(tmp_path, {"clients": "any"}, policies=policies).warnings
    assert any("list clients" in warning for warning in warnings) is is_warned
