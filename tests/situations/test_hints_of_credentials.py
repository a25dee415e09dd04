"""What is around a token or is sent instead, and session cookies: the causes that `authgate explain` tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer
from tests.situations.hinted import (
    AUTHJS,
    NEXTAUTH,
    NO_ISS,
    SESSIONS,
    TEXT,
    TOKEN,
    WITH_SECRET,
    Situation,
    check,
    cookies,
    padded,
)
from tests.support import session_cookies
from tests.support.tokens import NOW, OTHER_SECRET, b64, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

SITUATIONS = {
    # -- what is around the token, or is sent instead
    "a padded token of AWS ALB": Situation(
        issuers=NO_ISS, more="credentials: [{header: x-amzn-oidc-data}]",
        headers={"x-amzn-oidc-data": padded(claims(), signer="arn:aws:elasticloadbalancing:eu-1:1:loadbalancer/app/x")},
        answer="401 malformed_token",
        has=("padded with `=`", "name x-amzn-oidc-accesstoken in `credentials`", "docs/issuers/aws-alb.md"),
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
        issuers=WITH_SECRET, headers=bearer("gho_16C7e42F292c6912E7"), answer="401 malformed_token",
        has=("The token (header:authorization) is not a JWT", "in the parameter `audience` or `resource`"),
    ),
    "an encrypted token of Auth0": Situation(
        issuers=WITH_SECRET, headers=bearer(b64(b'{"alg":"dir","enc":"A256GCM"}') + "..aa.bb.cc"),
        answer="401 malformed_token", has=("is an encrypted JWT (JWE)", "in the parameter `audience` or `resource`"),
    ),
    "an opaque token, and sessions are accepted": Situation(
        issuers=SESSIONS, headers=bearer("gho_16C7e42F292c6912E7"), answer="401 malformed_token"
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
    "a token after many other parameters": Situation(
        issuers=WITH_SECRET, headers={}, answer="401 no_credential", has=("The query t holds a token of issuer api",),
        url=f"https://a.example.com/?{'&'.join(f'p{n}=1' for n in range(40))}&t={TOKEN}",
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
    **{
        f"a session under a name of its own, after {count} other names": Situation(
            issuers=AUTHJS, answer="401 no_credential", has=has, headers=cookies(
                *(f"n{n}.session-token=aaaa" for n in range(count)), "acme.session-token.0=aaaa",
                "acme.session-token=" + session_cookies.authjs_cookie(name="acme.session-token"),
            ),
        )
        for count, has in ((15, ("The cookie acme.session-token holds a session",)), (16, ()))
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
        has=("names its user only in email", "`identity: {subject: …}`"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_names_the_causes_that_hold_and_no_others(tmp_path: Path, situation: Situation) -> None:
    check(tmp_path, situation)
