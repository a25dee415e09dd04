"""How much work a new token makes: Python functions called, and objects kept.

The number behind a bound is that of CPython 3.11. If you exceed a bound, you have added work to every new token.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.attempts import Attempts
from authgate.core.credential import Credential, UnverifiedToken, find_credentials
from authgate.core.demands import lacks, lists, may_have
from authgate.core.formats import choose_format, verify
from authgate.core.proof import Proven, SessionCheck
from authgate.core.snapshot import Issuers
from authgate.core.subjects import with_prefix_in
from authgate.tokens import jwk
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    ALL_ALGORITHMS,
    SESSION_PLACES,
    make_issuer,
    make_session_issuer,
    make_snapshot,
    request_with,
    secret_keys,
)
from tests.support.ruling import count_calls
from tests.support.tokens import ASYMMETRIC, HMAC, claims, mint, public_jwk

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.snapshot import Issuer

ISS = "https://id.example.com"


def issuer_of(algorithm: str, **changes: Any) -> Issuer:
    if algorithm in HMAC:
        keys = secret_keys(algorithm=algorithm)
    else:
        keys = jwk.from_jwks(json.dumps({"keys": [public_jwk(algorithm, "k1")]}).encode(), ALL_ALGORITHMS)
    return make_issuer(keys, **{"iss": ISS, "audiences": frozenset({"api"})} | changes)


def tokens(algorithm: str, count: int, **more: Any) -> list[str]:
    header = {} if algorithm in HMAC else {"kid": "k1"}
    users = [
        claims(iss=ISS, aud="api", sub=f"user-{number}", email=f"user-{number}@example.com", name="Ada Lovelace",
               roles=["member", "editor"], **more)
        for number in range(count)
    ]  # fmt: skip
    return [mint(user, algorithm=algorithm, header=header) for user in users]


def proving(token: str, issuers: Issuers) -> Callable[[], Proven]:
    """Return the function that does with *token* what `decide` does with a token that it does not know."""
    credential = Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization")

    def prove() -> Proven:
        token_format, parsed, chosen = choose_format(credential, issuers)
        proof = with_prefix_in(verify(token_format, parsed, chosen, Attempts()), chosen)
        assert isinstance(proof, Proven)
        return proof

    return prove


def calls_of_a_new_token(issuer: Issuer, algorithm: str, **more: Any) -> dict[str, int]:
    """Return how many functions of each file a new token calls, after another of the same kind."""
    issuers, (first, second) = Issuers([issuer]), tokens(algorithm, 2, **more)
    proving(first, issuers)()
    files = count_calls(proving(second, issuers))
    files.pop(__file__)
    # Those of cryptography, which checks types of its own in Python.
    return {file: count for file, count in files.items() if "/authgate/" in file or "/jwt/" in file or "json" in file}


@pytest.mark.parametrize("algorithm", [*HMAC, *ASYMMETRIC])
def test_a_new_token_makes_few_calls(algorithm: str) -> None:
    files = calls_of_a_new_token(issuer_of(algorithm), algorithm)
    assert sum(files.values()) <= (46 if algorithm in HMAC else 47), files  # 42, 43
    assert not any("/jwt/" in file or "/json/" in file for file in files)


KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {  # the issuer's settings, more claims, and the bound
    "an access token with scopes": ({}, {"scope": "openid profile"}, 54),
    "Keycloak": (
        {
            "identity": {"roles": (("realm_access", "roles"),)},
            "demands": (
                lists("clients", "azp", "client_id", accepted=["web"]),
                may_have("typ", ["Bearer"]),
                lacks("cnf"),
            ),
        },
        {"typ": "Bearer", "azp": "web", "scope": "openid", "realm_access": {"roles": ["a", "b"]}, "sid": "s"},
        65,
    ),
    "a prefix": ({"subject_prefix": "app:"}, {}, 49),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_token_of_another_kind_makes_few_calls(kind: str) -> None:
    settings, more, bound = KINDS[kind]
    files = calls_of_a_new_token(issuer_of("HS256", **settings), "HS256", **more)
    assert sum(files.values()) <= bound, files


SESSIONS: dict[str, tuple[Callable[..., str], int]] = {
    "compact": (cookies.compact, 69),  # 65
    "jwt": (cookies.cookie_jwt, 73),  # 69
    "jwe": (cookies.cookie_jwe, 77),  # 73, besides those of joserfc and cryptography
}


@pytest.mark.parametrize("strategy", SESSIONS)
def test_the_cookies_of_a_new_session_make_few_calls(strategy: str) -> None:
    make, bound = SESSIONS[strategy]
    snapshot = make_snapshot(make_session_issuer(session_check=SessionCheck.FALLBACK), places=SESSION_PLACES)

    def prove(number: int) -> None:
        request = request_with(cookies.cookie_line(make(cookies.payload(note=f"note {number}"))))
        (credential,) = find_credentials(request, SESSION_PLACES)
        token_format, parsed, issuer = choose_format(credential, snapshot.issuers)
        files.update(count_calls(lambda: proofs.append(verify(token_format, parsed, issuer, Attempts()))))
        files.update(count_calls(lambda: choose_format(credential, snapshot.issuers)))

    proofs: list[Any] = []
    files: Counter[str] = Counter()
    prove(1)
    files.clear()
    prove(2)
    assert all(proof.copy is not None for proof in proofs)
    own = {file: count for file, count in files.items() if "/authgate/" in file}
    assert sum(own.values()) <= bound, own


def test_claims_that_nobody_reads_cost_no_call() -> None:
    issuer = issuer_of("HS256")
    more = {f"claim{number}": number for number in range(100)}
    assert calls_of_a_new_token(issuer, "HS256", **more) == calls_of_a_new_token(issuer, "HS256")


def test_the_identities_of_an_issuer_share_what_is_the_same_in_all() -> None:
    issuers = Issuers([issuer_of("HS256")])
    first, second = (proving(token, issuers)().identity for token in tokens("HS256", 2))
    assert first.subject != second.subject
    shared = ("issuer", "format", "unknown", "scopes", "organization_role", "amr", "key")
    assert [name for name in shared if getattr(first, name) is not getattr(second, name)] == []
