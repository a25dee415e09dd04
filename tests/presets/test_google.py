"""Google's ID tokens: of users (Sign in with Google), and of service accounts.

https://developers.google.com/identity/openid-connect/openid-connect ("An ID token's payload") and
https://developers.google.com/identity/sign-in/web/backend-auth name the claims of users;
https://docs.cloud.google.com/docs/authentication/token-types and the pages on ID tokens of the metadata server and of
IAM name those of service accounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.situations.explained import explained, publish
from tests.support import commands
from tests.support.documented import blocks
from tests.support.provider import KEY_ID, Provider, Slip, Token, times
from tests.support.published import Published, jwk
from tests.support.tokens import mint, public_jwk

if TYPE_CHECKING:
    from pathlib import Path

GOOGLE = Provider("google")
ISS = "https://accounts.google.com"
CLIENT = "1234567890-abc123def456.apps.googleusercontent.com"
ANDROID = "1234567890-xyz789.apps.googleusercontent.com"
FOREIGN = "666-evil.apps.googleusercontent.com"
API = "https://tasks.example.com"
USER, PROGRAM = "104650147220769694403", "105271527809661757734"
ACCOUNT = "scheduler@example-project.iam.gserviceaccount.com"

OF_USER: dict[str, Any] = {
    **times(), "iss": ISS, "azp": CLIENT, "aud": CLIENT, "sub": USER, "hd": "example.com", "email": "ada@example.com",
    "email_verified": True, "at_hash": "nw7QKWVVCnkxWvhgYnpi8A", "nonce": "4567", "name": "Ada L",
    "picture": "https://lh3.googleusercontent.com/a", "given_name": "Ada", "family_name": "L",
}  # fmt: skip
OF_BUTTON: dict[str, Any] = OF_USER | {**times(begins=True), "jti": "161a", "at_hash": ..., "nonce": ...}
PERSONAL: dict[str, Any] = OF_USER | {"hd": ..., "email": "ada@gmail.com"}
OF_PROGRAM: dict[str, Any] = {
    **times(), "aud": API, "azp": PROGRAM, "email": ACCOUNT, "email_verified": True, "iss": ISS, "sub": PROGRAM,
    "google": {"compute_engine": {"instance_id": "1888435224091805695", "project_id": "example-project"}},
}  # fmt: skip
SELF_SIGNED: dict[str, Any] = {**times(), "iss": ACCOUNT, "sub": ACCOUNT, "aud": API}

EVERYBODY = {"hosted_domains": None}
PROGRAMS = {"clients": None, "hosted_domains": None, "audiences": [API], "service_accounts": ACCOUNT}
BOTH = {"audiences": [API], "service_accounts": [ACCOUNT]}

TOKENS = [
    Token(
        name="of a user of the Workspace",
        claims=OF_USER,
        headers={"X-User-Id": USER, "X-User-Email": "ada@example.com", "X-User-Name": "Ada L", "X-User-Roles": ""},
    ),
    Token(name="of the button", claims=OF_BUTTON, headers={"X-User-Id": USER}),
    Token(name="of the older iss", claims=OF_USER | {"iss": "accounts.google.com"}, headers={"X-User-Id": USER}),
    Token(name="without azp", claims=OF_USER | {"azp": ...}),
    Token(name="of an Android app", claims=OF_USER | {"azp": ANDROID}),
    Token(name="of a personal account", claims=PERSONAL, settings=EVERYBODY, headers={"X-User-Email": "ada@gmail.com"}),
    Token(
        name="of a personal account where a domain is demanded",
        claims=PERSONAL | {"email": "ada@example.com"},
        answer="401 missing_claim",
        detail="it has no hd",
    ),
    Token(
        name="of another Workspace",
        claims=OF_USER | {"hd": "example.com.evil.example"},
        answer="401 wrong_claim",
        detail="its hd",
    ),
    Token(name="of a foreign client", claims=OF_USER | {"aud": FOREIGN, "azp": FOREIGN}, answer="401 wrong_audience"),
    Token(name="of a foreign client in our project", claims=OF_USER | {"aud": ANDROID}, answer="401 wrong_audience"),
    Token(name="without an audience", claims=OF_USER | {"aud": ...}, answer="401 wrong_audience"),
    Token(
        name="of a stranger's service account for our client",
        claims=OF_PROGRAM | {"aud": CLIENT, "email": ...},
        settings=EVERYBODY,
        answer="401 wrong_claim",
        detail="its azp",
    ),
    Token(
        name="of a service account with a key, for our client",
        claims=OF_PROGRAM | {"aud": CLIENT, "azp": ACCOUNT},
        settings=EVERYBODY | BOTH,
        answer="401 wrong_claim",
    ),
    Token(
        name="of a service account",
        claims=OF_PROGRAM,
        settings=PROGRAMS,
        headers={"X-User-Id": PROGRAM, "X-User-Email": ACCOUNT},
    ),
    Token(name="of a service account, standard", claims=OF_PROGRAM | {"google": ...}, settings=PROGRAMS),
    Token(
        name="of a stranger's service account",
        claims=OF_PROGRAM | {"email": "x@evil.iam.gserviceaccount.com", "sub": "1", "azp": "1"},
        settings=PROGRAMS,
        answer="401 wrong_claim",
        detail="its email",
    ),
    Token(
        name="of a service account without its address",
        claims=OF_PROGRAM | {"email": ...},
        settings=PROGRAMS,
        answer="401 missing_claim",
        detail="it has no email",
    ),
    Token(
        name="of a service account with an unverified address",
        claims=OF_PROGRAM | {"email_verified": False},
        settings=PROGRAMS,
        answer="401 wrong_claim",
    ),
    Token(
        name="of a service account, for another URL",
        claims=OF_PROGRAM | {"aud": f"{API}/"},
        settings=PROGRAMS,
        answer="401 wrong_audience",
    ),
    Token(name="of a user where only programs come in", claims=OF_USER, settings=PROGRAMS, answer="401 wrong_audience"),
    Token(name="of a program where only users come in", claims=OF_PROGRAM, answer="401 wrong_audience"),
    Token(name="of a user where both come in", claims=OF_USER, settings=BOTH, headers={"X-User-Id": USER}),
    Token(name="of a program where both come in", claims=OF_PROGRAM, settings=BOTH, headers={"X-User-Id": PROGRAM}),
    Token(name="of a stranger where both come in", claims=PERSONAL, settings=BOTH, answer="401 missing_claim"),
    Token(
        name="of a stranger's program where both come in",
        claims=OF_PROGRAM | {"email": "x@evil.iam.gserviceaccount.com"},
        settings=BOTH,
        answer="401 wrong_claim",
    ),
    Token(
        name="for a client and a URL",
        claims=OF_PROGRAM | {"aud": [API, CLIENT], "hd": "example.com"},
        settings=BOTH,
        answer="401 wrong_claim",
    ),
    Token(name="of a service account's own key", claims=SELF_SIGNED, settings=PROGRAMS, answer="401 unknown_issuer"),
    Token(
        name="of Firebase",
        claims=OF_USER | {"iss": "https://securetoken.google.com/example-project"},
        answer="401 unknown_issuer",
    ),
    Token(name="an access token of somebody else", claims=OF_BUTTON | {"scope": "email"}, answer="401 wrong_type"),
    Token(name="bound to a key", claims=OF_USER | {"cnf": {"jkt": "x"}}, answer="401 wrong_claim"),
    Token(name="without sub", claims=OF_USER | {"sub": ...}, answer="401 missing_claim"),
    Token(name="expired", claims=OF_USER | times(-60), answer="401 expired"),
    Token(
        name="the name from another claim",
        claims=OF_USER,
        settings={"identity": {"name": "given_name"}},
        headers={"X-User-Name": "Ada"},
    ),
]
SLIPS = [
    Slip(settings={"clients": None, "hosted_domains": None}, setting="audiences", message="set clients to the client"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"clients": f"https://{CLIENT}"}, setting="clients[0]", message="is not the ID of an OAuth client"),
    Slip(settings={"clients": ["1234567890-abc123def456"]}, setting="clients[0]", message="It ends with .apps.google"),
    Slip(settings={"clients": ["my-project"]}, setting="clients[0]", message="is not the ID of an OAuth client"),
    Slip(settings={"clients": ["GOCSPX-1234"]}, setting="clients[0]", message="holds a client secret of Google"),
    Slip(settings={"hosted_domains": ["@example.com"]}, setting="hosted_domains[0]", message="is not a host name"),
    Slip(settings={"hosted_domains": "https://example.com"}, setting="hosted_domains[0]", message="write example.com"),
    Slip(settings={"hosted_domains": "gmail.com"}, setting="hosted_domains[0]", message="remove hosted_domains"),
    Slip(settings={"audiences": "any"}, setting="audiences", message="is any"),
    Slip(settings={"audiences": [FOREIGN]}, setting="audiences", message="write it in clients"),
    Slip(settings={"audiences": [API]}, setting="service_accounts", message="anybody's service account"),
    Slip(settings=PROGRAMS | {"service_accounts": None}, setting="service_accounts", message="is missing"),
    Slip(settings=PROGRAMS | {"service_accounts": []}, setting="service_accounts", message="is empty"),
    Slip(settings=PROGRAMS | {"service_accounts": [PROGRAM]}, setting="service_accounts[0]", message="copy the Email"),
    Slip(settings=PROGRAMS | {"service_accounts": ["ada@gmail.com"]}, setting="service_accounts[0]",
         message="is not the e-mail address of a service account"),
    Slip(settings=PROGRAMS | {"audiences": None}, setting="audiences", message="list the audience that your service"),
    Slip(settings={"service_accounts": [ACCOUNT]}, setting="service_accounts", message="set audiences to what they"),
    Slip(settings=PROGRAMS | {"hosted_domains": ["example.com"]}, setting="hosted_domains", message="set clients"),
    Slip(settings={"accept": "access_token"}, setting="accept", message="id_token"),
]  # fmt: skip
PUBLISHED = [Published(issuer=ISS, keys_url="https://www.googleapis.com/oauth2/v3/certs", keys=[jwk("a"), jwk("b")])]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    GOOGLE.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    GOOGLE.check_slip(tmp_path, slip)


def test_a_wrong_client_is_the_only_problem(tmp_path: Path) -> None:
    assert [*GOOGLE.problems(tmp_path, {"clients": ["x"]})] == ["clients[0]"]


@pytest.mark.parametrize("secret", ["GOCSPX-aBcDeFgHiJkLmNoPqRsTuVwX", "aBcDeFgHiJkLmNoPqRsTu-_9"], ids=["new", "old"])
def test_a_secret_in_place_of_a_client_id_is_not_shown(tmp_path: Path, secret: str) -> None:
    problems = GOOGLE.problems(tmp_path, {"clients": [secret]})
    assert problems
    assert secret not in str(problems)


def test_the_page_s_configuration_for_service_accounts_is_that_of_the_tests(tmp_path: Path) -> None:
    text = blocks(GOOGLE.page, "Configuration", "yaml")[1]
    (issuer,) = yaml.safe_load(text)["issuers"]
    assert (issuer["audiences"], issuer["service_accounts"]) == ([API], [ACCOUNT])
    path = tmp_path / "authgate.yaml"
    path.write_text(text)
    checked = commands.authgate("check", "--config", path)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("path", "changes", "answer"),
    [
        ("/admin/x", {}, "200"),
        ("/admin/x", {"sub": PROGRAM}, "403 forbidden"),
        ("/staff/x", {"sub": PROGRAM}, "200"),
        ("/staff/x", {"hd": ...}, "403 forbidden"),
        ("/", {"hd": ...}, "200"),
    ],
)
def test_the_policies_of_the_page_decide_by_what_the_token_says(
    tmp_path: Path, path: str, changes: dict[str, Any], answer: str
) -> None:
    policies = yaml.safe_load(blocks(GOOGLE.page, "Roles", "yaml")[0])
    decision = GOOGLE.decide(tmp_path, OF_USER | changes, settings=EVERYBODY, url_path=path, **policies)
    assert decision.answer == answer


def test_explain_says_that_an_access_token_is_opaque(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", KEY_ID))
    config = blocks(GOOGLE.page, "Configuration", "yaml")[0] + "    jwks_file: jwks.json\n"
    result = explained(tmp_path, config, {"Authorization": "Bearer ya29.a0AfB_byC-Xq3"})
    assert result.answer == "401 malformed_token"
    assert any("Send the ID token" in hint for hint in result.hints)


def test_explain_names_no_claim_that_only_tokens_of_service_accounts_must_have(tmp_path: Path) -> None:
    publish(tmp_path, public_jwk("RS256", KEY_ID))
    config = yaml.safe_dump(GOOGLE.configuration(BOTH | {"jwks_file": "jwks.json"}))
    changes = {"hd": None, "email": None, "info": {"email": "ada@example.com"}}
    token = mint({**OF_USER, **changes}, algorithm="RS256", header={"kid": KEY_ID})
    result = explained(tmp_path, config, {"Authorization": f"Bearer {token}"})
    assert result.answer == "401 missing_claim"
    assert "info.email" not in result.text


@pytest.mark.parametrize(
    ("require", "is_warned"), [("signed_in", True), ({"subject": {"any_of": [USER]}}, False), (None, True)], ids=str
)
def test_everybody_with_an_account_is_a_warning_if_a_policy_lets_them_in(
    tmp_path: Path, require: Any, *, is_warned: bool
) -> None:
    rest = {} if require is None else {"policies": [{"name": "all", "require": require}]}
    warnings = GOOGLE.prepared(tmp_path, EVERYBODY, **rest).warnings
    assert any("everyone with a Google account may sign in" in warning for warning in warnings) is is_warned
    assert not GOOGLE.prepared(tmp_path, {}, **rest).warnings
