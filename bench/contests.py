"""The recipes to compare with AuthGate, for each format. formats.py, wire.py and recipe_server.py use this table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from bench import recipes
from bench.credentials import AUDIENCE, AUTHJS_COOKIE, AUTHJS_KEY, BETTER_AUTH_KEY, NEXTAUTH_COOKIE, NEXTAUTH_KEY
from bench.recipes import KnownKeys, derived_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bench.credentials import Minter

    Recipe = Callable[[Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Contest:
    """One format: the *issuer* that AuthGate is configured with, what user *number* sends, and each recipe by name."""

    name: str
    issuer: dict[str, Any]
    credential: Callable[[int], dict[str, str]]
    recipes: dict[str, Recipe]


def contests(minter: Minter, jwks_file: Path) -> list[Contest]:
    """Return every format that can be verified without a request to the issuer. *jwks_file* holds `minter.jwks()`."""
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
    """Return AuthGate's settings for Better Auth: all its formats, and get-session as the session store."""
    return {
        "name": "app",
        "preset": "better-auth",
        "url": minter.origin,
        "secret": minter.secret,
        "jwks_file": str(jwks_file),
    }


def _joserfc(recipe: Callable[..., dict[str, Any]], secret: str, derivation: dict[str, Any]) -> dict[str, Recipe]:
    """Return *recipe* twice: it derives the key at each request, or once."""
    derive = partial(derived_key, secret, **derivation)
    return {
        "joserfc, HKDF each time": partial(recipe, key=derive),
        "joserfc, key cached": partial(recipe, key=cache(derive)),
    }
