"""Which recipe stands beside AuthGate in each format: the table that the benchmarks of formats run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import recipes
from credentials import AUDIENCE, AUTHJS_COOKIE, AUTHJS_KEY, BETTER_AUTH_KEY, NEXTAUTH_COOKIE, NEXTAUTH_KEY
from recipes import KnownKeys, derived_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from credentials import Minter

    Recipe = Callable[[Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Contest:
    """One format: what AuthGate is configured with, what user *number* sends, and each recipe by its name."""

    name: str
    issuer: dict[str, Any]
    credential: Callable[[int], dict[str, str]]
    recipes: dict[str, Recipe]


def contests(minter: Minter, jwks_file: Path) -> list[Contest]:
    """Return every format that is verified without asking anybody. *jwks_file* holds `minter.jwks()`."""
    secret, origin = minter.secret, minter.origin
    keys = KnownKeys(minter.jwks())
    app = better_auth_issuer(minter, jwks_file)
    return [
        Contest(
            "JWT, HS256",
            {"name": "app", "preset": "jwt", "secret": secret, "audiences": [AUDIENCE]},
            minter.secret_jwt,
            {"PyJWT": partial(recipes.secret_jwt, secret=secret, audience=AUDIENCE)},
        ),
        Contest(
            "JWT, EdDSA by JWKS",
            app,
            minter.api_jwt,
            {"PyJWT, PyJWKClient": partial(recipes.api_jwt, keys=keys, origin=origin)},
        ),
        Contest(
            "Better Auth, compact",
            app,
            minter.compact,
            {"hmac and json": partial(recipes.cookie_compact, secret=secret)},
        ),
        Contest(
            "Better Auth, jwt",
            app,
            minter.cookie_jwt,
            {"PyJWT": partial(recipes.cookie_jwt, secret=secret)},
        ),
        Contest(
            "Better Auth, jwt by JWKS",
            app,
            minter.cookie_jwks,
            {"PyJWT, PyJWKClient": partial(recipes.cookie_jwks, secret=secret, keys=keys, origin=origin)},
        ),
        Contest(
            "Better Auth, jwe",
            app,
            minter.cookie_jwe,
            _joserfc(partial(recipes.cookie_jwe, secret=secret), secret, BETTER_AUTH_KEY),
        ),
        Contest(
            "Auth.js v5",
            {"name": "app", "preset": "authjs", "url": origin, "secret": secret},
            minter.authjs,
            _joserfc(partial(recipes.authjs, cookie=AUTHJS_COOKIE, encryption="A256CBC-HS512"), secret, AUTHJS_KEY),
        ),
        Contest(
            "NextAuth v4",
            {"name": "app", "preset": "nextauth-v4", "url": origin, "secret": secret},
            minter.nextauth,
            _joserfc(partial(recipes.authjs, cookie=NEXTAUTH_COOKIE, encryption="A256GCM"), secret, NEXTAUTH_KEY),
        ),
    ]


def better_auth_issuer(minter: Minter, jwks_file: Path) -> dict[str, Any]:
    """Return AuthGate's settings for a Better Auth: every format of it, and its get-session as the store."""
    return {
        "name": "app",
        "preset": "better-auth",
        "url": minter.origin,
        "secret": minter.secret,
        "jwks_file": str(jwks_file),
    }


def _joserfc(recipe: Callable[..., dict[str, Any]], secret: str, how: dict[str, Any]) -> dict[str, Recipe]:
    """Return *recipe* with the key made at each request, and with the key made once."""
    make = partial(derived_key, secret, **how)
    return {"joserfc, HKDF each time": partial(recipe, key=make), "joserfc, key kept": partial(recipe, key=cache(make))}
