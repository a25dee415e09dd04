"""The identity that a verified payload of claims describes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authgate.core.attempts import Attempts
from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.identity import Identity
from authgate.tokens import derived, jwk
from authgate.tokens.authjs.session import SESSION_PART, AuthjsSession
from authgate.tokens.better_auth.api_jwt import BetterAuthJwt
from authgate.tokens.claim_sources import DEFAULT_CLAIMS
from authgate.tokens.jwt import JwtFormat
from tests.support import session_cookies as cookies
from tests.support.deciding import ALL_ALGORITHMS, make_issuer
from tests.support.tokens import SECRET, claims, mint, public_jwk

COOKIE = "authjs.session-token"


def verify(token: str, jwt: JwtFormat | None = None, **issuer: Any) -> Identity:
    jwt = jwt or JwtFormat()
    credential = Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization")
    identity = jwt.verify(jwt.parse(credential), make_issuer(**issuer), Attempts()).identity
    assert identity is not None
    return identity


def test_every_claim_with_a_meaning_becomes_a_field() -> None:
    payload = {
        "sub": "u1", "email": "ada@example.test", "email_verified": True, "name": "Ada", "roles": ["admin", "user"],
        "scope": "read write", "org_id": "org1", "org_role": "owner,admin", "sid": "s1", "act": {"sub": "root"},
        "is_anonymous": True, "banned": True, "iat": 1, "nbf": 2, "exp": 3, "auth_time": 4, "jti": "t1", "acr": "2",
        "amr": ["pwd", "otp"], "extra": {"a": 1},
    }  # fmt: skip
    assert verify(mint(payload), name="app") == Identity(
        issuer="app",
        format="jwt",
        subject="u1",
        email="ada@example.test",
        email_verified=True,
        name="Ada",
        roles=("admin", "user"),
        scopes=("read", "write"),
        organization="org1",
        organization_role=("owner", "admin"),
        session_id="s1",
        impersonated_by="root",
        is_anonymous=True,
        is_banned=True,
        issued_at=1.0,
        not_before=2.0,
        expires_at=3.0,
        authenticated_at=4.0,
        acr="2",
        amr=("pwd", "otp"),
        token_id="t1",
        claims=payload,
    )


HUGE = "x" * 8000
MANY = [f"role-{number}" for number in range(900)]
EMPTY, UNKNOWN = "empty", "unknown"
# What a claim becomes: its field's value, its field's default (EMPTY), or the default with the field in `unknown`.
TEXT = {
    "absent": EMPTY, '""': EMPTY, "string": "a b,c", "huge string": HUGE,
    "[]": UNKNOWN, "null": UNKNOWN, "number": UNKNOWN, "zero": UNKNOWN, "huge number": UNKNOWN, "true": UNKNOWN,
    "false": UNKNOWN, "list": UNKNOWN, "long list": UNKNOWN, "mixed list": UNKNOWN, "nested list": UNKNOWN,
    "{}": UNKNOWN, "object": UNKNOWN,
}  # fmt: skip
LIST = TEXT | {
    "[]": EMPTY, "string": ("a b", "c"), "huge string": (HUGE,), "list": ("a b", "c,d"), "long list": tuple(MANY),
    "{}": EMPTY, "object": ("a", "b"),
}  # fmt: skip
SPACED = LIST | {"string": ("a", "b,c")}
WHOLE = LIST | {"string": ("a b,c",)}
FLAG = TEXT | {"string": UNKNOWN, "huge string": UNKNOWN, "true": True, "false": False}
# Without a word the field is unknown.
ACCOUNT = FLAG | {"absent": UNKNOWN, '""': UNKNOWN}
ACTOR = dict.fromkeys(TEXT, UNKNOWN) | {"object with sub": "root"}
VALUES: dict[str, Any] = {
    '""': "", "string": "a b,c", "huge string": HUGE, "[]": [], "null": None, "number": 7, "zero": 0,
    "huge number": 10**300, "true": True, "false": False, "list": ["a b", "c,d"], "long list": MANY,
    "mixed list": ["a", 1], "nested list": [["a"]], "{}": {}, "object": {"a": True, "b": {"c": None}},
    "object with sub": {"sub": "root", "act": {"sub": "other"}},
}  # fmt: skip
CLAIMS: list[tuple[str, str, dict[str, Any]]] = [
    ("email", "email", TEXT), ("name", "name", TEXT), ("org_id", "organization", TEXT), ("sid", "session_id", TEXT),
    ("acr", "acr", TEXT), ("roles", "roles", LIST), ("role", "roles", LIST), ("scope", "scopes", SPACED),
    ("scp", "scopes", SPACED), ("org_role", "organization_role", LIST),
    ("organization_role", "organization_role", LIST), ("amr", "amr", WHOLE), ("email_verified", "email_verified", FLAG),
    ("emailVerified", "email_verified", FLAG), ("is_anonymous", "is_anonymous", ACCOUNT),
    ("isAnonymous", "is_anonymous", ACCOUNT), ("banned", "is_banned", ACCOUNT), ("act", "impersonated_by", ACTOR),
]  # fmt: skip
DEFAULTS = Identity(issuer="", format="", subject="")


@pytest.mark.parametrize(
    ("claim", "field", "kind", "expected"),
    [(claim, field, kind, expected) for claim, field, table in CLAIMS for kind, expected in table.items()],
    ids=lambda value: None if isinstance(value, str) and len(value) < 30 else "-",
)
def test_every_descriptive_claim_of_every_type_is_a_value_or_empty_or_unknown(
    claim: str, field: str, kind: str, expected: Any
) -> None:
    identity = verify(mint(claims() | ({} if kind == "absent" else {claim: VALUES[kind]})))
    is_unknown, is_default = expected == UNKNOWN, expected in (EMPTY, UNKNOWN)
    assert getattr(identity, field) == (getattr(DEFAULTS, field) if is_default else expected)
    assert identity.unknown == SILENT - {field} | ({field} if is_unknown else set())


# What a JWT without a word on it does not state.
SILENT = {"impersonated_by", "is_anonymous", "is_banned"}


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"roles": ["a"], "role": "b"}, "roles", ("a",)),
        ({"roles": [], "role": "b"}, "roles", ("b",)),
        ({"roles": None, "role": "b"}, "roles", ("b",)),
        ({"org_role": "", "organization_role": "b"}, "organization_role", ("b",)),
        (
            {"amr": [{"method": "password", "timestamp": 1}, {"method": "totp"}, "otp"]},
            "amr",
            ("password", "totp", "otp"),
        ),
    ],
)
def test_the_first_name_that_is_not_empty_counts(changes: dict[str, Any], field: str, value: Any) -> None:
    identity = verify(mint(claims() | changes))
    assert (getattr(identity, field), identity.unknown) == (value, SILENT)


def test_a_second_name_does_not_hide_that_the_first_cannot_be_read() -> None:
    identity = verify(mint(claims(roles=["admin", 7], role="user")))
    assert (identity.roles, identity.unknown) == ((), {*SILENT, "roles"})


@pytest.mark.parametrize("jwt", [BetterAuthJwt(), JwtFormat()], ids=lambda jwt: jwt.name)
def test_only_in_a_token_of_better_auth_a_null_is_the_null_of_a_row(jwt: JwtFormat) -> None:
    nulls = dict.fromkeys(("role", "name", "banned", "isAnonymous"))
    token = mint(claims() | nulls, algorithm="ES256", header={"kid": "k1"})
    keys = jwk.from_jwks(json.dumps({"keys": [public_jwk("ES256", "k1")]}).encode(), ALL_ALGORITHMS)
    identity = verify(token, jwt, key_set=keys, algorithms=frozenset({"ES256"}))
    unread = {"roles", "name", "is_banned", "is_anonymous"}
    assert identity.unknown == {"impersonated_by"} | (set() if jwt.from_row else unread)


@pytest.mark.parametrize("where", ["usual", "named"])
@pytest.mark.parametrize(
    ("value", "is_yes"),
    [
        *((value, True) for value in (True, "true", 1, 2.5, "1", "yes", "t", "TRUE", [True], [], {"a": 1})),
        *((value, False) for value in (False, "false", 0, "0", "no", "f")),
    ],
    ids=repr,
)  # fmt: skip
def test_in_a_token_of_better_auth_a_flag_counts_unless_it_means_no(value: Any, where: str, *, is_yes: bool) -> None:
    paths = {"is_banned": (("row", "flag"),), "is_anonymous": (("row", "flag"),)} if where == "named" else {}
    flags = {"row": {"flag": value}} if where == "named" else dict.fromkeys(("banned", "isAnonymous"), value)
    token = mint(claims() | flags, algorithm="ES256", header={"kid": "k1"})
    keys = jwk.from_jwks(json.dumps({"keys": [public_jwk("ES256", "k1")]}).encode(), ALL_ALGORITHMS)
    identity = verify(token, BetterAuthJwt(), key_set=keys, algorithms=frozenset({"ES256"}), identity=paths)
    assert (identity.is_banned, identity.is_anonymous, identity.unknown) == (is_yes, is_yes, {"impersonated_by"})


def test_an_encrypted_session_of_auth_js_is_silent_on_the_account_and_its_nulls_are_those_of_a_row() -> None:
    issuer = make_issuer(session_key_set=derived.authjs((SECRET,), (COOKIE,)))
    for changes, unknown in [({}, SILENT), ({"banned": False, "isAnonymous": False}, {"impersonated_by"})]:
        cookie = cookies.authjs_cookie(cookies.authjs_claims() | {"name": None, "roles": None} | changes)
        credential = Credential(parts=((SESSION_PART, UnverifiedToken(cookie)),), found_in=f"cookie:{COOKIE}")
        session = AuthjsSession()
        identity = session.verify(session.parse(credential), issuer, Attempts()).identity
        assert identity is not None
        assert (identity.name, identity.roles, identity.unknown) == (None, (), unknown)


# A value of each field in a claim of another name, and what it becomes.
ELSEWHERE: dict[str, tuple[Any, Any]] = {
    "subject": (7, "7"), "email": ("a@b.c", "a@b.c"), "email_verified": ("true", True), "name": ("Ada", "Ada"),
    "roles": ({"admin": 1}, ("admin",)), "scopes": ("a b", ("a", "b")), "organization": (7, "7"),
    "organization_role": ("a,b", ("a", "b")), "session_id": (7, "7"), "impersonated_by": ("root", "root"),
    "is_anonymous": (True, True), "is_banned": (False, False), "acr": ("2", "2"), "amr": ("pwd", ("pwd",)),
    "authenticated_at": (5, 5.0), "token_id": (7, "7"),
}  # fmt: skip


@pytest.mark.parametrize("jwt", [BetterAuthJwt(), JwtFormat()], ids=lambda jwt: jwt.name)
def test_every_field_can_come_from_another_claim_and_then_from_no_usual_one(jwt: JwtFormat) -> None:
    assert ELSEWHERE.keys() == DEFAULT_CLAIMS.keys()
    keys = jwk.from_jwks(json.dumps({"keys": [public_jwk("ES256", "k1")]}).encode(), ALL_ALGORITHMS)
    usual = {"sub": "u", "email": "e", "name": "n", "roles": ["r"], "sid": "s", "auth_time": 1, "jti": "t", "acr": "1"}
    own = {field: value for field, (value, _) in ELSEWHERE.items()}

    def mapped(payload: dict[str, Any], *fields: str) -> Identity:
        paths = {field: (("none",), ("own", field)) for field in fields}
        token = mint(claims() | usual | payload, algorithm="ES256", header={"kid": "k1"})
        return verify(token, jwt, key_set=keys, algorithms=frozenset({"ES256"}), identity=paths)

    identity = mapped({"own": own}, *ELSEWHERE)
    assert {field: getattr(identity, field) for field in ELSEWHERE} == {f: value for f, (_, value) in ELSEWHERE.items()}
    for field in ELSEWHERE.keys() - {"subject"}:
        assert getattr(mapped({}, field), field) in (None, (), False), field
