"""The identity that a verified payload of claims describes."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.identity import Identity
from authgate.tokens.jwt import JwtFormat
from tests.support.deciding import make_issuer
from tests.support.tokens import claims, mint


def verify(token: str, **issuer: Any) -> Identity:
    jwt = JwtFormat()
    credential = Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization")
    identity = jwt.verify(jwt.parse(credential), make_issuer(**issuer)).identity
    assert identity is not None
    return identity


def test_every_claim_with_a_meaning_becomes_a_field() -> None:
    payload = {
        "sub": "u1", "email": "ada@example.test", "email_verified": True, "name": "Ada", "roles": ["admin", "user"],
        "scope": "read write", "org_id": "org1", "sid": "s1", "act": {"sub": "root"}, "is_anonymous": True,
        "banned": True, "iat": 1, "nbf": 2, "exp": 3, "auth_time": 4, "jti": "t1", "extra": {"a": 1},
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
        session_id="s1",
        impersonated_by="root",
        is_anonymous=True,
        is_banned=True,
        issued_at=1.0,
        not_before=2.0,
        expires_at=3.0,
        authenticated_at=4.0,
        token_id="t1",
        claims=payload,
    )


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"role": "admin,user"}, "roles", ("admin", "user")),
        ({"roles": ["a"], "role": "b"}, "roles", ("a",)),
        ({"scp": ["read", "write"]}, "scopes", ("read", "write")),
        ({"emailVerified": False}, "email_verified", False),
        ({"isAnonymous": "true"}, "is_anonymous", True),
        ({"email": 7}, "email", None),
        ({"act": "root"}, "impersonated_by", None),
        ({"act": {"sub": 7}}, "impersonated_by", None),
        ({"roles": {"admin": True}}, "roles", ()),
        ({"banned": "yes"}, "is_banned", False),
    ],
)
def test_a_claim_about_the_user_has_several_spellings_and_counts_as_absent_if_its_type_is_wrong(
    changes: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(verify(mint(claims(**changes))), field) == value
