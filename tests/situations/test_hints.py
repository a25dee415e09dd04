"""`authgate explain` tests the causes of a decision and names those that hold: secrets, keys, `iss` and `aud`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer, explained
from tests.situations.hinted import (
    AUTHJS,
    BASE64,
    ISS,
    JWK,
    KEYS,
    NO_ISS,
    RAW,
    SESSIONS,
    TEXT,
    WITH_SECRET,
    Situation,
    authjs,
    check,
    cookies,
    secret_in,
    signed,
    with_secret,
)
from tests.support import session_cookies
from tests.support.tokens import OTHER_SECRET, SECRET, b64, claims, mint, public_jwk, sign_raw

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = f"""{{name: app, preset: better-auth, url: URL, secret: "{TEXT}", jwks_file: k.json}}"""
SITUATIONS = {
    # -- the secret, read in another way
    "the secret is base64": Situation(
        issuers=secret_in(BASE64), headers=with_secret(RAW), answer="401 bad_signature",
        has=("The secret of issuer api, decoded from base64, verifies the token (HS256)", "`jwks_file`", JWK),
    ),
    "the secret is base64, and HS384 was chosen by its length": Situation(
        issuers=secret_in(BASE64), headers=with_secret(RAW, "HS384"), answer="401 wrong_algorithm",
        has=("decoded from base64, verifies the token (HS384)", '"alg": "HS384"'),
    ),
    "the secret is base64url without padding": Situation(
        issuers=secret_in(b64(RAW[:50] + b"\xff\xfe").encode()), headers=with_secret(RAW[:50] + b"\xff\xfe"),
        answer="401 bad_signature", has=("decoded from base64url, verifies the token", "the text, without ="),
    ),
    "the secret is hex": Situation(
        issuers=secret_in(RAW.hex().encode()), headers=with_secret(RAW),
        answer="401 bad_signature", has=("decoded from hex, verifies the token", "the bytes, in base64url without ="),
    ),
    "the secret is hex, and too short when it is decoded": Situation(
        issuers=secret_in(RAW[:20].hex().encode()), headers=with_secret(RAW[:20]),
        answer="401 bad_signature", has=("only 20 bytes, and HS256 needs 32", "longer secret for both sides"),
    ),
    "the JWK holds bytes, and the other side takes their text": Situation(
        issuers="{name: api, preset: jwt, audiences: any, jwks_file: oct.json}",
        files={"oct.json": json.dumps({"kty": "oct", "k": b64(RAW), "alg": "HS256"}).encode()},
        headers=with_secret(b64(RAW).encode()), answer="401 bad_signature",
        has=("encoded in base64url without =, verifies the token", "give AuthGate the text"),
    ),
    "the other side has a line feed": Situation(
        issuers=WITH_SECRET, headers=with_secret(SECRET + b"\n"),
        answer="401 bad_signature", has=("with a line feed at its end, verifies the token", "remove it there"),
    ),
    "the other side has CR LF": Situation(
        issuers=WITH_SECRET, headers=with_secret(SECRET + b"\r\n"),
        answer="401 bad_signature", has=("with CR LF at its end, verifies the token",),
    ),
    "AuthGate's secret is in quotes": Situation(
        issuers=secret_in(b'"' + SECRET + b'"'), headers=with_secret(SECRET), answer="401 bad_signature",
        has=("without its quotes, verifies the token", "Remove the quotes from AuthGate's secret"),
    ),
    "AuthGate's secret is base64 in quotes": Situation(
        issuers=secret_in(b"'" + BASE64 + b"'"), headers=with_secret(RAW), answer="401 bad_signature",
        has=("without its quotes and decoded from base64, verifies the token", JWK),
    ),
    "AuthGate's secret of sessions is in quotes": Situation(
        issuers=SESSIONS.replace(f'"{TEXT}"', f"'\"{TEXT}\"'"), answer="401 bad_signature",
        headers=cookies(f"better-auth.session_token={session_cookies.signed()}"),
        has=("without its quotes, verifies the session",),
    ),
    "the other side has quotes": Situation(
        issuers=WITH_SECRET, headers=with_secret(b'"' + SECRET + b'"'),
        answer="401 bad_signature", has=("in double quotes, verifies the token", "remove them there"),
    ),
    "the front end of a session has a line feed": Situation(
        issuers=SESSIONS, answer="401 bad_signature",
        headers=cookies(f"better-auth.session_token={session_cookies.signed(secret=SECRET + bytes([10]))}"),
        has=("with a line feed at its end, verifies the session",),
    ),
    "the front end of Auth.js has quotes": Situation(
        issuers=AUTHJS, answer="401 undecryptable_token",
        headers=cookies(
            "__Secure-authjs.session-token="
            + authjs(b"'" + SECRET + b"'")
        ),
        has=("in single quotes, verifies the session",),
    ),
    "another secret altogether": Situation(
        issuers=WITH_SECRET, headers=with_secret(OTHER_SECRET), answer="401 bad_signature"
    ),
    "another secret of a session": Situation(
        issuers=SESSIONS, answer="401 bad_signature",
        headers=cookies(f"better-auth.session_token={session_cookies.signed(secret=OTHER_SECRET)}"),
    ),
    "a cookie of NextAuth v4, and Auth.js v5 is configured": Situation(
        issuers=AUTHJS, answer="401 undecryptable_token",
        headers=cookies(f"__Secure-authjs.session-token={session_cookies.nextauth_cookie()}"),
        has=("decrypts this cookie as one of NextAuth v4: set `preset: nextauth-v4`",),
    ),
    "a cookie of NextAuth v4 under another secret": Situation(
        issuers=AUTHJS, answer="401 undecryptable_token",
        headers=cookies(f"__Secure-authjs.session-token={session_cookies.nextauth_cookie(secret=OTHER_SECRET)}"),
    ),
    # -- keys and algorithms
    "the secret verifies under another algorithm": Situation(
        issuers=WITH_SECRET, headers=with_secret(SECRET, "HS512"), answer="401 wrong_algorithm",
        has=("The secret of issuer api verifies this token under HS512", "`algorithms: [HS512]`"),
    ),
    "the public key verifies under another algorithm": Situation(
        issuers=KEYS, headers=bearer(signed("PS256")), answer="401 wrong_algorithm",
        has=("The key of issuer idp verifies this token under PS256", "`algorithms: [PS256]`"),
    ),
    "another secret under another algorithm": Situation(
        issuers=WITH_SECRET, headers=with_secret(OTHER_SECRET, "HS512"), answer="401 wrong_algorithm"
    ),
    "a secret signed, and the issuer has public keys": Situation(
        issuers=KEYS, headers=bearer(mint(claims(iss=ISS, aud="tasks"))), answer="401 wrong_algorithm",
        has=("signed with a shared secret (HS256), and issuer idp has public keys only",),
    ),
    "a refresh token of Keycloak": Situation(
        issuers=KEYS, headers=bearer(mint(claims(iss=ISS, aud=ISS, typ="Refresh"), algorithm="HS512")),
        answer="401 wrong_algorithm",
        has=("Its claim 'typ' says that it is a refresh token (alg 'HS512')", "send the access token"),
    ),
    "the key has another id": Situation(
        issuers=NO_ISS, headers=bearer(signed(header={"kid": "new"})),
        files={"jwks.json": json.dumps({"keys": [public_jwk("RS256", "old")]}).encode()},
        answer="401 unknown_key", has=("The key old of issuer idp verifies this token, whose kid is 'new'",),
    ),
    "the key has another id, and is another key": Situation(
        issuers=NO_ISS, headers=bearer(signed("ES256", header={"kid": "new"})),
        files={"jwks.json": json.dumps({"keys": [public_jwk("RS256", "old")]}).encode()}, answer="401 unknown_key",
    ),
    "the keys of another issuer verify": Situation(
        issuers=f'{{name: idp, preset: jwt, issuer: "{ISS}", audiences: [tasks], jwks_file: ec.json}}, '
        '{name: other, preset: jwt, issuer: "https://other.example.com", audiences: [tasks], jwks_file: jwks.json, '
        'subject_prefix: "other:"}',
        files={"ec.json": json.dumps({"keys": [public_jwk("ES256", alg=None)]}).encode()},
        headers=bearer(signed()), answer="401 wrong_algorithm", has=("The keys of issuer other verify this token",),
    ),
    # -- the spelling of iss and aud
    "iss has a slash at its end": Situation(
        issuers=KEYS, headers=bearer(signed(iss=f"{ISS}/")), answer="401 unknown_issuer",
        has=("The keys of issuer idp verify this token, and only the slash at the end of its iss differs", f"'{ISS}/'"),
    ),
    "iss has another scheme": Situation(
        issuers=KEYS, headers=bearer(signed(iss="http://ids.example.com")), answer="401 unknown_issuer",
        has=("only the scheme of its iss differs",),
    ),
    "iss has another port": Situation(
        issuers=KEYS, headers=bearer(signed(iss=f"{ISS}:8443")), answer="401 unknown_issuer",
        has=("only the port of its iss differs",),
    ),
    "iss has its default port": Situation(
        issuers=KEYS, headers=bearer(signed(iss=f"{ISS}:443")), answer="401 unknown_issuer",
        has=("only the default port, which one of them leaves out, of its iss differs",),
    ),
    "iss is written in upper case": Situation(
        issuers=KEYS, headers=bearer(signed(iss=ISS.upper())), answer="401 unknown_issuer",
        has=("only upper and lower case of its iss differs",),
    ),
    "iss differs by a slash, and the key is another": Situation(
        issuers=KEYS, headers=bearer(signed("ES256", iss=f"{ISS}/")), answer="401 unknown_issuer",
        has=("Only the slash at the end of the token's iss differs from that of issuer idp",),
    ),
    "iss is another, and the keys are the same": Situation(
        issuers=KEYS, headers=bearer(signed(iss="https://inside.example.net")), answer="401 unknown_issuer",
        has=("The keys of issuer idp verify this token. Its iss is 'https://inside.example.net'", "if you know it"),
    ),
    **{
        f"iss is a further host of Better Auth, with {name}": Situation(
            issuers=HOSTS.replace("URL", url),
            headers=bearer(signed(iss="https://shop.example.com", header={"kid": "k"})),
            files={"k.json": json.dumps({"keys": [public_jwk("RS256", "k")]}).encode()},
            answer="401 unknown_issuer", has=("a host that `url` does not list", f"`url: {listed}`"),
        )
        for name, url, listed in (
            ("one url", "https://app.example.com", "['https://app.example.com', 'https://shop.example.com']"),
            ("a base path", "https://app.example.com/x", "['https://app.example.com/x', 'https://shop.example.com/x']"),
        )
    },
    "iss is a further host, and Better Auth has a fixed issuer": Situation(
        issuers=HOSTS.replace("URL", "https://app.example.com, issuer: tasks, audiences: [tasks]"),
        headers=bearer(signed(iss="https://shop.example.com", header={"kid": "k"})),
        files={"k.json": json.dumps({"keys": [public_jwk("RS256", "k")]}).encode()},
        answer="401 unknown_issuer", has=("`issuer` is 'tasks'",),
    ),
    "there is no iss": Situation(
        issuers=KEYS, headers=bearer(signed(iss=None)), answer="401 unknown_issuer",
        has=("The keys of issuer idp verify this token. It has no iss, and `issuer` is",),
    ),
    "iss is that of another issuer": Situation(
        issuers=f'{{name: idp, preset: jwt, issuer: "{ISS}", audiences: [tasks], jwks_file: ec.json}}, '
        '{name: any, preset: jwt, audiences: [tasks], jwks_file: jwks.json, subject_prefix: "any:"}',
        files={"ec.json": json.dumps({"keys": [public_jwk("ES256", alg=None)]}).encode()},
        headers=bearer(signed()), answer="401 wrong_algorithm",
        has=(f"The keys of issuer any verify this token. Its iss is '{ISS}', which is that of another issuer",),
    ),
    "iss and keys are others": Situation(
        issuers=KEYS, headers=bearer(signed("ES256", iss="https://evil.example")), answer="401 unknown_issuer"
    ),
    "aud has a slash at its end": Situation(
        issuers=KEYS.replace("[tasks]", '["https://api.example.com"]'),
        headers=bearer(signed(aud="https://api.example.com/")), answer="401 wrong_audience",
        has=("Only the slash at the end of the token's aud differs",),
    ),
    "aud has the prefix of Entra ID": Situation(
        issuers=KEYS, headers=bearer(signed(aud="api://tasks")), answer="401 wrong_audience",
        has=("Only the beginning api:// of the token's aud differs",),
    ),
    "aud is another": Situation(issuers=KEYS, headers=bearer(signed(aud="shop")), answer="401 wrong_audience"),
    # -- the client in place of the audience
    **{
        f"no aud, but {claim}": Situation(
            issuers=KEYS, headers=bearer(signed(aud=None, **{claim: "tasks"})), answer="401 wrong_audience",
            has=("has no aud", f"in {claim}", f"`audiences: any` and `require_claims: {{{claim}: [tasks]}}`"),
        )
        for claim in ("client_id", "azp", "appid", "cid")
    },
    "no aud, and a client that is none of the audiences": Situation(
        issuers=KEYS, headers=bearer(signed(aud=None, client_id="12345")), answer="401 wrong_audience",
        has=("Its client is in client_id: '12345'", "`audiences: any` and `require_claims: {client_id: ['12345']}`"),
    ),
    "another aud, and the audience is the client": Situation(
        issuers=KEYS, headers=bearer(signed(aud="account", azp="tasks")), answer="401 wrong_audience",
        has=("has the aud 'account'", "`audiences: [account]` and `require_claims: {azp: [tasks]}`"),
    ),
    "another aud, and another client": Situation(
        issuers=KEYS, headers=bearer(signed(aud="account", azp="tasks-web")), answer="401 wrong_audience",
        has=("Its client is in azp: 'tasks-web'", "`audiences: [account]`", "{azp: [tasks-web]}`", "audience mapper"),
    ),
    "a claim of the client is demanded, and the client is in another": Situation(
        issuers=KEYS.replace("}", ", require_claims: {client_id: [tasks-web]}}"), answer="401 missing_claim",
        headers=bearer(signed(azp="tasks-web")), has=("The token has no client_id. It has azp: 'tasks-web'.",),
    ),
    "a claim is required, and the token has no client": Situation(
        issuers=KEYS.replace("}", ", required_claims: [exp, client_id]}"), headers=bearer(signed()),
        answer="401 missing_claim",
    ),
    "no aud and no client": Situation(issuers=KEYS, headers=bearer(signed(aud=None)), answer="401 wrong_audience"),
    # -- the purpose of the token
    "an ID token": Situation(
        issuers=KEYS, headers=bearer(signed(at_hash="x7", nonce="n")), answer="401 wrong_type",
        has=("With `accept: id_token`, issuer idp accepts this token",),
    ),
    "an ID token of Cognito with a scope": Situation(
        issuers=KEYS, headers=bearer(signed(token_use="id", scope="openid")), answer="401 wrong_type",
        has=("With `accept: any`, issuer idp accepts this token",),
    ),
    "an access token, and ID tokens are accepted": Situation(
        issuers=KEYS.replace("}", ", accept: id_token}"), headers=bearer(signed(scope="tasks")),
        answer="401 wrong_type", has=("With `accept: any`, issuer idp accepts this token",),
    ),
    "an ID token for another client": Situation(
        issuers=KEYS, headers=bearer(signed(aud="shop", at_hash="x7")), answer="401 wrong_type"
    ),
    "a logout token": Situation(issuers=KEYS, headers=bearer(signed(events={})), answer="401 wrong_type"),
    "a type of its own": Situation(
        issuers=KEYS, headers=bearer(signed(header={"typ": "shop-token"})), answer="401 wrong_type",
        has=("With `token_types: [at+jwt, jwt, shop-token]`, issuer idp accepts this token",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_names_the_causes_that_hold_and_no_others(tmp_path: Path, situation: Situation) -> None:
    check(tmp_path, situation)


def test_the_usual_causes_are_left_out_where_one_was_found(tmp_path: Path) -> None:
    def texts(secret: bytes) -> str:
        return explained(tmp_path, f"issuers: [{WITH_SECRET}]", with_secret(secret)).text

    assert "the fingerprints of both" in texts(OTHER_SECRET)
    assert "sha256sum" in texts(OTHER_SECRET)
    assert "fingerprints of both" not in texts(SECRET + b"\n")
    assert "sha256sum" not in texts(SECRET + b"\n")


@pytest.mark.parametrize("raw", [b'{"alg":"HS256"}', b"[]", b"{}", b"\xff"])
def test_no_token_makes_a_hint_fail(tmp_path: Path, raw: bytes) -> None:
    for payload in (b'{"aud":[1],"iss":[],"client_id":7,"email":{}}', b"7", raw):
        token = sign_raw(raw, payload)
        assert explained(tmp_path, f"issuers: [{WITH_SECRET}]", bearer(token)).answer.startswith("401 ")
