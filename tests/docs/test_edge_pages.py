"""docs/issuers/aws-alb.md and google-iap.md: their configurations accept tokens of the real shape, and no others.

Shapes: https://cloud.google.com/iap/docs/signed-headers-howto; in the documentation of AWS "Understanding the access
token" (Cognito) and "Authenticate users using an Application Load Balancer".
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.situations.explained import Explained, explained, publish
from tests.support import commands, documented
from tests.support.tokens import NOW, claims, mint, private_key, public_jwk, public_pem

if TYPE_CHECKING:
    from pathlib import Path

ALB, IAP = "docs/issuers/aws-alb.md", "docs/issuers/google-iap.md"
COGNITO, EXAMPLES = documented.code(ALB, "yaml")[0], documented.code(IAP, "yaml")
GOOGLE, IDENTITY_PLATFORM, POLICIES = EXAMPLES
CONFIGURATIONS = {
    "Cognito": COGNITO,
    "Google": GOOGLE,
    "Identity Platform": IDENTITY_PLATFORM,
    "roles": GOOGLE + POLICIES,
}

ALB_HEADER, IAP_HEADER = "X-Amzn-Oidc-Accesstoken", "X-Goog-Iap-Jwt-Assertion"
POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
# Base64 with padding, as Cognito writes it.
COGNITO_KEY = "b1FJNrVbgSc4Ps0B2hUv+nOwtnzgVxhTwwQfnvXWkAo="
USER = "93443812-d0d1-7049-5b80-9c8f6a1a2b3c"
BACKEND = "/projects/1234567890/global/backendServices/4567890123456789012"
PERSON = "accounts.google.com:110532853672891234567"
APP = "/projects/1234567890/apps/example"
EXTERNAL = "securetoken.google.com/example:MWhfgdkelqbZFaO5CNtpt2eiY682"
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
FROM_THE_APP = {"Sec-Fetch-Site": "same-origin", "Origin": "https://app.example.com"}


def decided(folder: Path, config: str, headers: dict[str, str], *, method: str = "GET", path: str = "/") -> Explained:
    """Return the decision under a page's *config*, with the tests' keys instead of those at its address."""
    without_url = re.sub(r"^ +jwks_url: \S+\n", "", config, flags=re.MULTILINE)
    local = re.sub(r"^( +)preset: .+$", r"\g<0>\n\1jwks_file: jwks.json", without_url, flags=re.MULTILINE)
    publish(folder, public_jwk("RS256", COGNITO_KEY), public_jwk("ES256", "gO4i_Q"))
    return explained(folder, local, headers, method=method, url=f"https://app.example.com{path}")


def cognito(key_id: str = COGNITO_KEY, **changes: Any) -> str:
    """Return an access token of a user who signed in at the user pool."""
    sound = claims(
        sub=USER, iss=POOL, client_id="1example23456789", token_use="access", version=2, scope="openid email",
        origin_jti="8d7ab5a2", event_id="bd9a5c4e", auth_time=int(NOW) - 10, jti="2b1c", username="ada",
    )  # fmt: skip
    payload = claims(**sound | {"cognito:groups": ["admins", "staff"]} | changes)
    return mint(payload, algorithm="RS256", header={"kid": key_id, "typ": None})


def iap(key: Any = None, key_id: str = "gO4i_Q", **changes: Any) -> str:
    """Return the assertion of IAP for a person of Google Workspace."""
    sound = claims(
        iss="https://cloud.google.com/iap", aud=BACKEND, azp=BACKEND, sub=PERSON, email="ada@example.com",
        hd="example.com", identity_source="GOOGLE", exp=int(NOW) + 590,
    )  # fmt: skip
    return mint(claims(**sound | changes), algorithm="ES256", key=key, header={"kid": key_id})


def oidc_data(account: str) -> str:
    """Return what a load balancer of *account* writes into X-Amzn-Oidc-Data. Its signature covers the padding."""
    head = {
        "typ": "JWT",
        "kid": "c2f80c8b-c05c-4068-af14-17299f7896b1",
        "alg": "ES256",
        "iss": POOL,
        "client": "1example23456789",
        "signer": f"arn:aws:elasticloadbalancing:eu-central-1:{account}:loadbalancer/app/web/50dc6c495c0c9188",
        "exp": int(NOW) + 120,
    }
    payload = {"sub": USER, "email_verified": "true", "email": "ada@example.com", "username": "ada", "exp": int(NOW)}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in (head, payload)]
    signing_input = ".".join(parts)
    signature = jwt.get_algorithm_by_name("ES256").sign(signing_input.encode(), private_key("ES256"))
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).decode()}"


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_check_accepts_a_configuration_and_warns_of_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "authgate.yaml"
    path.write_text(CONFIGURATIONS[name])
    checked = commands.authgate("check", "--config", path)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(("page", "token"), [(ALB, cognito()), (IAP, iap())], ids=["ALB", "IAP"])
def test_what_explain_shows_of_the_request_is_what_the_page_says(tmp_path: Path, page: str, token: str) -> None:
    (request,) = map(json.loads, documented.blocks(page, "Try it", "json"))
    (console,) = documented.blocks(page, "Try it", "console")
    command, _, output = console.partition("\n")
    assert command == "$ authgate explain --config authgate.yaml --request request.json"
    headers = {name: value.replace("eyJ…", token) for name, value in request["headers"].items()}
    assert decided(tmp_path, documented.code(page, "yaml")[0], headers, method=request["method"]).text == output


# -- AWS Application Load Balancer -----------------------------------------------------------------------------------

COGNITO_TOKENS = {
    "a user": (cognito(), "200"),
    "a user of the updated issuer": (cognito(iss=POOL.replace("//", "//issuer-")), "200"),
    "a user without groups": (cognito(**{"cognito:groups": None}), "200"),
    "another client of the pool": (cognito(client_id="2example23456789"), "401 wrong_claim"),
    "an ID token": (cognito(token_use="id", aud="1example23456789", at_hash="x", client_id=None), "401 wrong_type"),
    "another pool": (cognito(iss=POOL.replace("AbCdEf123", "XyZ")), "401 unknown_issuer"),
    "a key of another pool": (cognito(key_id="other="), "401 unknown_key"),
    "an expired token": (cognito(exp=int(NOW) - 60), "401 expired"),
    "an opaque token of Google": ("ya29.a0AfB_byC-Xq3", "401 malformed_token"),
}


@pytest.mark.parametrize(("token", "answer"), COGNITO_TOKENS.values(), ids=COGNITO_TOKENS)
def test_the_access_token_of_the_provider_decides(tmp_path: Path, token: str, answer: str) -> None:
    result = decided(tmp_path, COGNITO, {ALB_HEADER: token})
    assert result.answer == answer
    assert result.headers.get("X-User-Id") == (USER if answer == "200" else None)


def test_groups_are_roles(tmp_path: Path) -> None:
    assert decided(tmp_path, COGNITO, {ALB_HEADER: cognito()}).headers["X-User-Roles"] == "admins,staff"


@pytest.mark.parametrize("header", ["X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity", "Authorization"])
def test_the_other_headers_of_the_load_balancer_say_nothing(tmp_path: Path, header: str) -> None:
    sent = {
        "X-Amzn-Oidc-Data": oidc_data("123456789012"),
        "X-Amzn-Oidc-Identity": USER,
        "Authorization": f"Bearer {cognito()}",
    }
    assert decided(tmp_path, COGNITO, {header: sent[header]}).answer == "401 no_credential"


@pytest.mark.parametrize("account", ["123456789012", "666666666666"], ids=["own", "another account"])
def test_what_a_load_balancer_signs_is_refused_and_explain_names_the_way_out(tmp_path: Path, account: str) -> None:
    """ALBeast (2024): any load balancer of the region can sign any claims."""
    config = COGNITO.replace(ALB_HEADER, "X-Amzn-Oidc-Data")
    result = decided(tmp_path, config, {"X-Amzn-Oidc-Data": oidc_data(account)})
    assert result.answer == "401 malformed_token"
    assert [("name x-amzn-oidc-accesstoken in `credentials`" in hint, ALB in hint) for hint in result.hints] == [
        (True, True)
    ]
    (console,) = documented.blocks(ALB, "Try it", "console refused")
    assert result.text == console.partition("\n")[2]


# -- Google Identity-Aware Proxy -------------------------------------------------------------------------------------

SERVICE = {"sub": "accounts.google.com:1024", "email": "job@example.iam.gserviceaccount.com", "hd": None}
IAP_TOKENS = {
    "a person": (iap(), "200"),
    "a person without Workspace": (iap(hd=None), "200"),
    "a service account": (iap(**SERVICE), "200"),
    "another backend": (iap(aud=BACKEND.replace("4567890123456789012", "1")), "401 wrong_audience"),
    "another project": (iap(aud=BACKEND.replace("1234567890/", "666/")), "401 wrong_audience"),
    "another kind of backend": (iap(aud=APP), "401 wrong_audience"),
    "no audience": (iap(aud=None), "401 wrong_audience"),
    "Google's ID token": (iap(iss="https://accounts.google.com"), "401 unknown_issuer"),
    "a key of another issuer": (iap(key=ec.generate_private_key(ec.SECP256R1())), "401 bad_signature"),
    "an unknown key": (iap(key_id="other"), "401 unknown_key"),
    "an expired token": (iap(exp=int(NOW) - 31), "401 expired"),
    "a token of the future": (iap(iat=int(NOW) + 31), "401 not_yet_valid"),
    "a token without an expiry": (iap(exp=None), "401 missing_claim"),
    "a token without a user": (iap(sub=""), "401 missing_claim"),
    "a token under the public key as a secret": (
        mint(claims(iss="https://cloud.google.com/iap", aud=BACKEND), key=public_pem("ES256")),
        "401 wrong_algorithm",
    ),
}


@pytest.mark.parametrize(("token", "answer"), IAP_TOKENS.values(), ids=IAP_TOKENS)
def test_the_assertion_of_iap_decides(tmp_path: Path, token: str, answer: str) -> None:
    result = decided(tmp_path, GOOGLE, {IAP_HEADER: token})
    assert result.answer == answer
    assert ("X-User-Id" in result.headers) is (answer == "200")


def test_the_unsigned_headers_of_iap_say_nothing(tmp_path: Path) -> None:
    unsigned = {"X-Goog-Authenticated-User-Id": PERSON, "X-Goog-Authenticated-User-Email": "ada@example.com"}
    assert decided(tmp_path, GOOGLE, unsigned).answer == "401 no_credential"


def test_a_user_of_identity_platform_has_the_claims_of_gcip(tmp_path: Path) -> None:
    gcip = {"auth_time": int(NOW) - 60, "email": "ada@partner.example", "email_verified": True, "name": "Ada"}
    token = iap(aud=APP, azp=APP, sub=EXTERNAL, email="securetoken.google.com/example:ada@partner.example", hd=None,
                identity_source="GCIP", gcip=gcip | {"sub": EXTERNAL.rpartition(":")[2]})  # fmt: skip
    policies = (
        "policies: [{name: partner, require: {email: {domain: partner.example}, authenticated_within_seconds: 60}}]\n"
    )
    result = decided(tmp_path, IDENTITY_PLATFORM + policies, {IAP_HEADER: token})
    assert (result.answer, result.headers["X-User-Id"]) == ("200", EXTERNAL)
    assert (result.headers["X-User-Email"], result.headers["X-User-Name"]) == ("ada@partner.example", "Ada")


@pytest.mark.parametrize(
    ("path", "token", "answer"),
    [
        ("/admin/x", iap(), "200"),
        ("/admin/x", iap(**SERVICE), "403 forbidden"),
        ("/staff/x", iap(), "200"),
        ("/staff/x", iap(hd=None), "403 forbidden"),
        ("/staff/x", iap(hd="example.com.evil.example"), "403 forbidden"),
        ("/", iap(**SERVICE), "200"),
        ("/healthz", "", "200"),
    ],
    ids=["admin", "program, admin", "staff", "person, staff", "suffix, staff", "program", "health"],
)
def test_the_policies_of_the_page_decide_by_what_the_token_says(
    tmp_path: Path, path: str, token: str, answer: str
) -> None:
    headers = {IAP_HEADER: token} if token else {}
    assert decided(tmp_path, GOOGLE + POLICIES, headers, path=path).answer == answer


# -- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "header", "token"), [(COGNITO, ALB_HEADER, cognito()), (GOOGLE, IAP_HEADER, iap())], ids=["ALB", "IAP"]
)
@pytest.mark.parametrize(
    ("sender", "answer"),
    [(FROM_ELSEWHERE, "403 csrf"), (FROM_THE_APP, "200"), ({}, "200")],
    ids=["other", "own", "none"],
)
def test_another_site_cannot_post_with_the_cookie_of_the_edge(
    tmp_path: Path, config: str, header: str, token: str, sender: dict[str, str], answer: str
) -> None:
    assert decided(tmp_path, config, {header: token} | sender, method="POST").answer == answer
