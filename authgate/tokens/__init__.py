"""Token formats: pure verification of what clients send. Only this package imports `jwt` and `cryptography`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.tokens._proof_cache import LruProofCache
from authgate.tokens.authjs.database import AuthjsDatabase
from authgate.tokens.authjs.nextauth_v4 import NEXTAUTH_V4
from authgate.tokens.authjs.session import AuthjsSession
from authgate.tokens.better_auth.api_jwt import BetterAuthJwt
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.session import BetterAuthSession
from authgate.tokens.jwt import JwtFormat

if TYPE_CHECKING:
    from authgate.core.snapshot import TokenFormat

# A new format: one file here and one row. What an issuer's settings change of a format, issuers.py replaces.
FORMATS: dict[str, TokenFormat] = {
    one.name: one
    for one in (
        JwtFormat(),
        BetterAuthJwt(),
        BetterAuthSession(),
        BetterAuthBearer(accepts="signed"),
        AuthjsSession(),
        AuthjsDatabase(),
        NEXTAUTH_V4,
    )
}

__all__ = ["FORMATS", "LruProofCache"]
