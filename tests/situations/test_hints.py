"""`authgate explain` tests the causes of a decision and names those that hold, and no others."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from authgate.tokens import derived
from tests.situations.explained import bearer, explained, publish
from tests.support import session_cookies
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, b64, claims, mint, public_jwk, sign_raw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RAW = bytes(range(7, 7 + 64))
TEXT = SECRET.decode()
ISS = "https://ids.example.com"
KEYS = f'{{name: idp, preset: jwt, issuer: "{ISS}", audiences: [tasks], jwks_file: jwks.json}}'
NO_ISS = "{name: idp, preset: jwt, audiences: any, jwks_file: jwks.json}"
WITH_SECRET = f'{{name: api, preset: jwt, audiences: any, secret: "{TEXT}"}}'
SESSIONS = f'{{name: app, preset: better-auth, secret: "{TEXT}"}}'
AUTHJS = f'{{name: next, preset: authjs, url: "https://app.example.com", secret: "{TEXT}"}}'
NEXTAUTH = f'{{name: na, preset: nextauth-v4, url: "https://app.example.com", secret: "{TEXT}"}}'


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A request with *headers* under the *issuers* is answered with *answer*.

    The hints of `explain` have every text in *has*. If there is none, `explain` gives no hint.
    """

    issuers: str
    headers: Mapping[str, str]
    answer: str
    has: tuple[str, ...] = ()
    more: str = ""
    url: str = "https://app.example.com/api/v1/tasks"
    files: Mapping[str, bytes] = field(default_factory=dict)


def signed(algorithm: str = "RS256", /, *, header: dict[str, object] | None = None, **changes: object) -> str:
    """Return a token of the issuer ISS for the audience tasks, with *changes*."""
    return mint(claims(**({"iss": ISS, "aud": "tasks"} | changes)), algorithm=algorithm, header=header)


def secret_in(text: bytes, preset: str = "jwt, audiences: any") -> str:
    return f"{{name: api, preset: {preset}, secret: {json.dumps(text.decode())}}}"


def with_secret(secret: bytes, algorithm: str = "HS256") -> Mapping[str, str]:
    return bearer(mint(claims(), algorithm=algorithm, key=secret))


def padded(token_claims: dict[str, object], key: object = None, **header: object) -> str:
    """Return a token whose parts are padded before the signature is made, as AWS ALB does."""
    parts = [json.dumps({"alg": "HS256", **header}), json.dumps(token_claims)]
    signing_input = ".".join(base64.urlsafe_b64encode(part.encode() + b" ").decode() for part in parts)
    assert "=" in signing_input
    signature = mint(claims(), key=key).rpartition(".")[2]
    return f"{signing_input}.{signature}="


def authjs(secret: bytes) -> str:
    """Return a session of Auth.js under *secret*, which need not be fit."""
    name = "__Secure-authjs.session-token"
    key = next(key for key in derived.authjs((secret,), (name,), check=False).keys if key.algorithm == "A256CBC-HS512")
    header = {"enc": key.algorithm, "kid": key.key_id}
    return session_cookies.encrypted(json.dumps(session_cookies.authjs_claims()).encode(), key.material, header)


def cookies(*pairs: str) -> Mapping[str, str]:
    return {"Cookie": "; ".join(pairs)}


TOKEN = mint(claims())
BASE64 = base64.b64encode(RAW)
JWK = '{"kty": "oct", "k": "…", "alg": "HS256"}'

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
        has=("none of your `audiences`", 'require_claims: {client_id: ["12345"]}'),
    ),
    "another aud, and the audience is the client": Situation(
        issuers=KEYS, headers=bearer(signed(aud="account", azp="tasks")), answer="401 wrong_audience",
        has=("has the aud 'account'", "`audiences: [account]` and `require_claims: {azp: [tasks]}`"),
    ),
    "another aud, and another client": Situation(
        issuers=KEYS, headers=bearer(signed(aud="account", azp="shop")), answer="401 wrong_audience"
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
    # -- what is around the token, or is sent instead
    "a padded token of AWS ALB": Situation(
        issuers=NO_ISS, more="credentials: [{header: x-amzn-oidc-data}]",
        headers={"x-amzn-oidc-data": padded(claims(), signer="arn:aws:elasticloadbalancing:eu-1:1:loadbalancer/app/x")},
        answer="401 malformed_token", has=("padded with `=`", "AWS's load balancer (ALB)", "x-amzn-oidc-accesstoken"),
    ),
    "a padded token in Authorization": Situation(
        issuers=NO_ISS, headers=bearer(padded(claims())), answer="401 malformed_token", has=("padded with `=`", "ALB"),
    ),
    "a token that was padded on its way": Situation(
        issuers=WITH_SECRET, headers=bearer(f"{TOKEN}="), answer="401 malformed_token",
        has=("Without the padding, the token is valid",),
    ),
    **{
        f"the text {text}": Situation(
            issuers=WITH_SECRET, headers=bearer(text), answer="401 malformed_token",
            has=(f"sends the text `{text}` in place of a token",),
        )
        for text in ("undefined", "null", "[object Object]", "None")
    },
    "the text undefined in a cookie": Situation(
        issuers=WITH_SECRET, headers=cookies("access_token=undefined"), answer="401 malformed_token",
        has=("sends the text `undefined`", "cookie:access_token"),
    ),
    "a token in quotes": Situation(
        issuers=WITH_SECRET, headers=bearer(f'"{TOKEN}"'), answer="401 malformed_token",
        has=("is in quotes", "its signature is valid"),
    ),
    "a token in quotes, signed with another secret": Situation(
        issuers=WITH_SECRET, headers=bearer(f"'{mint(claims(), key=OTHER_SECRET)}'"), answer="401 malformed_token",
        has=("is in quotes. Without that, it is refused as bad_signature",),
    ),
    "Bearer twice": Situation(
        issuers=WITH_SECRET, headers=bearer(f"Bearer {TOKEN}"), answer="401 malformed_token",
        has=("begins with `Bearer`, which is not a part of it", "its signature is valid"),
    ),
    "a token with a line break": Situation(
        issuers=WITH_SECRET, headers=bearer(f"{TOKEN[:30]} {TOKEN[30:]}"), answer="401 malformed_token",
        has=("has white space in it",),
    ),
    "an opaque token": Situation(
        issuers=WITH_SECRET, headers=bearer("gho_16C7e42F292c6912E7"), answer="401 malformed_token"
    ),
    "another scheme before the token": Situation(
        issuers=WITH_SECRET, headers={"Authorization": f"Token {TOKEN}"}, answer="401 no_credential",
        has=("The header authorization holds a token of issuer api, but not after `Bearer `",),
    ),
    "no scheme before the token": Situation(
        issuers=WITH_SECRET, headers={"Authorization": TOKEN}, answer="401 no_credential",
        has=("The header authorization holds a token of issuer api, but not after `Bearer `",),
    ),
    "a header that is not read": Situation(
        issuers=WITH_SECRET, headers={"X-Access-Token": TOKEN}, answer="401 no_credential",
        has=("The header x-access-token holds a token of issuer api: add {header: X-Access-Token} to `credentials`",),
    ),
    "a cookie that is not read": Situation(
        issuers=WITH_SECRET, headers=cookies("theme=dark", f"jwt=Bearer%20{TOKEN}"), answer="401 no_credential",
        has=("The cookie jwt holds a token of issuer api: add {cookie: jwt} to `credentials`",),
    ),
    "a header that is not read, with somebody else's token": Situation(
        issuers=WITH_SECRET, headers={"X-Access-Token": mint(claims(), key=OTHER_SECRET)}, answer="401 no_credential"
    ),
    "a token in the query": Situation(
        issuers=WITH_SECRET, headers={}, url=f"https://a.example.com/?access_token={TOKEN}", answer="401 no_credential",
        has=("The query access_token holds a token of issuer api", "does not read the query"),
    ),
    "a token as a subprotocol": Situation(
        issuers=WITH_SECRET, headers={"Sec-WebSocket-Protocol": f"bearer, {TOKEN}"}, answer="401 no_credential",
        has=("holds a token of issuer api", "does not read subprotocols"),
    ),
    "another scheme with a password": Situation(
        issuers=WITH_SECRET, headers={"Authorization": "Basic YWRhOnNlY3JldA=="}, answer="401 no_credential"
    ),
    # -- session cookies
    "a cookie of development at an https url": Situation(
        issuers=NEXTAUTH, headers=cookies("next-auth.session-token=aaaa.bbbb"), answer="401 no_credential",
        has=("cookie next-auth.session-token, without the prefix __Secure-", "`url` is 'https://app.example.com'"),
    ),
    "a cookie of development at an https url, in chunks": Situation(
        issuers=NEXTAUTH, headers=cookies("next-auth.session-token.0=aaaa", "next-auth.session-token.1=bbbb"),
        answer="401 no_credential", has=("cookie next-auth.session-token, without the prefix __Secure-",),
    ),
    "a cookie of https at an http url": Situation(
        issuers=AUTHJS.replace("https", "http"), headers=cookies("__Secure-authjs.session-token=aaaa"),
        answer="401 no_credential", has=("with the prefix __Secure-", "`url` is 'http://app.example.com'"),
    ),
    **{
        f"a session of {preset} under a name of its own": Situation(
            issuers=f'{{name: app, preset: {preset}, url: "https://app.example.com", secret: "{TEXT}", '
            "sessions: {check: never}}", headers=cookies(f"{name}={value}"), answer="401 no_credential",
            has=(f"The cookie {name} holds a session of issuer app: set `cookies: {{session_token: {name}}}`",),
        )
        for preset, name, value in (
            ("better-auth", "__Secure-acme.session_token", session_cookies.signed()),
            ("authjs", "acme.session-token", session_cookies.authjs_cookie(name="acme.session-token")),
            ("nextauth-v4", "acme.session-token", session_cookies.nextauth_cookie()),
        )
    },
    "a session under a name of its own and another secret": Situation(
        issuers=AUTHJS, answer="401 no_credential",
        headers=cookies(
            "a.session-token=" + session_cookies.authjs_cookie(name="a.session-token", secret=OTHER_SECRET)
        ),
    ),
    "another signed cookie of Better Auth": Situation(
        issuers=SESSIONS, headers=cookies(f"better-auth.dont_remember={session_cookies.signed('true')}"),
        answer="401 no_credential",
    ),
    "many cookies of development at an https url": Situation(
        issuers=NEXTAUTH, headers=cookies(*(f"next-auth.session-token={n}" for n in range(5))),
        answer="401 no_credential",
    ),
    "no session cookie": Situation(issuers=NEXTAUTH, headers=cookies("theme=dark"), answer="401 no_credential"),
    "no data cookie and no store": Situation(
        issuers=SESSIONS, headers=cookies(f"better-auth.session_token={session_cookies.signed()}"),
        answer="401 session_not_found", has=("The signature is valid", "issuer app has no session store"),
    ),
    "the cached data ended": Situation(
        issuers=SESSIONS, answer="401 expired",
        headers=dict([session_cookies.cookie_line(session_cookies.compact(expires_at=NOW - 600))]),
        has=("only its copy in the data cookie ended, 10 minutes ago", "no session store"),
    ),
    "a link in an email of Better Auth": Situation(
        issuers=WITH_SECRET, answer="401 missing_claim",
        headers=bearer(mint(claims(sub=None, email="ada@example.com", userId="u-1"), header={"typ": None})),
        has=("a link in an email of Better Auth", "The secret of issuer api signs those, too"),
    ),
    "a link in an email of Better Auth as the session": Situation(
        issuers=SESSIONS, answer="401 malformed_token",
        headers=bearer(mint(claims(sub=None, email="ada@example.com"), header={"typ": None})),
        has=("a link in an email of Better Auth",),
    ),
    "a link in an email of Better Auth as the data cookie": Situation(
        issuers=SESSIONS, answer="401 missing_claim",
        headers=dict([session_cookies.cookie_line(mint(claims(sub=None, email="a@b.c"), header={"typ": None}))]),
        has=("a link in an email of Better Auth",),
    ),
    "a token with an email and without a subject": Situation(
        issuers=WITH_SECRET, answer="401 missing_claim",
        headers=bearer(mint(claims(sub=None, email="ada@example.com", name="Ada"))),
    ),
    # -- the claims that become the identity
    "an integer as the subject": Situation(
        issuers=KEYS, headers=bearer(signed(sub=1234)), answer="401 malformed_token",
        has=("`identity: {subject: sub}`, issuer idp accepts", "the user's id is '1234'", "may be an integer"),
    ),
    "a list as the subject": Situation(
        issuers=KEYS, headers=bearer(signed(sub=["ada"])), answer="401 malformed_token"
    ),
    "no subject, but a name": Situation(
        issuers=KEYS, answer="401 missing_claim",
        headers=bearer(signed(sub=None, typ="Bearer", azp="spa", preferred_username="ada")),
        has=("`identity: {subject: preferred_username}`", "the user's id is 'ada'", "never changes"),
    ),
    "no subject, but an object id": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, upn="ada@example.com", oid="0d-1")), answer="401 missing_claim",
        has=("`identity: {subject: oid}`",),
    ),
    "no subject, but a client": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, client_id="billing")), answer="401 missing_claim",
        has=("`identity: {subject: client_id}`",),
    ),
    "no subject, and nothing like it": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, email="ada@example.com", name="Ada")), answer="401 missing_claim"
    ),
    "the claim of X-User-Id is missing": Situation(
        issuers=KEYS, more="headers: {X-User-Id: claims.oid}", headers=bearer(signed(user={"oid": "0d-1"})),
        answer="401 missing_claim", has=("The claim for the header X-User-Id is `oid`", "It has `user.oid`"),
    ),
    "a required claim is elsewhere": Situation(
        issuers=KEYS.replace("}", ", required_claims: [exp, tenant.id]}"), answer="401 missing_claim",
        headers=bearer(signed(**{"tenant.id": "t"})),
        has=("`required_claims` is `tenant.id`, which the token does not have", 'It has `"tenant.id"`'),
    ),
    "roles that are objects": Situation(
        issuers=KEYS, headers=bearer(signed(roles=[{"authority": "ROLE_ADMIN"}], role="user")), answer="200",
        has=("cannot read roles from the claim roles, which is a list that holds an object", "`identity: {roles: …}`"),
    ),
    "roles that are objects, and a rule needs them": Situation(
        issuers=KEYS, headers=bearer(signed(roles=[1])), answer="403 forbidden",
        more="policies: [{name: a, require: {roles: {any_of: [admin]}}}]",
        has=("the claim roles, which is a list that holds an integer",),
    ),
    "another role than the rule needs": Situation(
        issuers=KEYS, headers=bearer(signed(roles=["user"])), answer="403 forbidden",
        more="policies: [{name: a, require: {roles: {any_of: [admin]}}}]",
    ),
    "roles of the realm are mapped, and the client's are there": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm_access.roles}}"), answer="200",
        headers=bearer(signed(resource_access={"tasks": {"roles": ["admin"]}})),
        has=("`identity.roles` is `realm_access.roles`", "It has `resource_access.tasks.roles`"),
    ),
    "roles of the realm are mapped, and there are none": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm_access.roles}}"), headers=bearer(signed()), answer="200"
    ),
    # -- times
    "expired after a life of minutes": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(iat=NOW - 1620, exp=NOW - 720))), answer="401 expired",
        has=("expired 12 minutes ago, after a life of 15 minutes (iat to exp)",),
    ),
    "expired a session of Auth.js": Situation(
        issuers=AUTHJS, answer="401 expired",
        headers=cookies(
            "__Secure-authjs.session-token="
            + session_cookies.authjs_cookie(
                session_cookies.authjs_claims(iat=int(NOW) - 40 * 86400, exp=int(NOW) - 10 * 86400),
                name="__Secure-authjs.session-token",
            )
        ),
        has=("expired 10 days ago, after a life of 30 days",),
    ),
    "expired before it was issued": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(exp=60))), answer="401 expired", has=("never valid",),
    ),
    "the clock of the issuer is ahead": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(iat=int(NOW) + 300))), answer="401 not_yet_valid",
        has=("issued 5 minutes in the future", "ahead of this machine's"),
    ),
    "the token is meant to begin later": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(nbf=int(NOW) + 300))), answer="401 not_yet_valid",
        has=("No clock has to be wrong",),
    ),
    # -- allowed requests, and headers
    "a claim whose name would change the terminal": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm.roles}}"), answer="200",
        headers=bearer(signed(**{"\x1b[31m": {"roles": ["admin"]}})), has=("It has `\\x1b[31m.roles`",),
    ),
    "too many roles": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(roles=[f"a-long-name-of-a-role-{n}" for n in range(400)]))),
        answer="403 headers_too_large", has=("X-User-Roles, from roles with 400 values, has",),
    ),
    "nothing is wrong": Situation(issuers=WITH_SECRET, headers=bearer(TOKEN), answer="200"),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_names_the_causes_that_hold_and_no_others(tmp_path: Path, situation: Situation) -> None:
    publish(tmp_path)
    for name, content in situation.files.items():
        (tmp_path / name).write_bytes(content)
    config = f"issuers: [{situation.issuers}]\n{situation.more}\n"
    result = explained(tmp_path, config, situation.headers, url=situation.url)
    assert result.answer == situation.answer
    hints = "\n".join(result.hints)
    assert [text for text in situation.has if text not in hints] == [], hints
    assert bool(situation.has) or not hints, hints
    for hint in result.hints:
        assert f"→ {hint}" in result.text
    for hidden in (TEXT, OTHER_SECRET.decode(), BASE64.decode(), RAW.hex(), *situation.headers.values()):
        assert hidden not in result.text


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
