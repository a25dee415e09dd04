"""Token formats: they parse and verify what clients send, without I/O and without a clock.

Only this package imports `jwt` and `joserfc`. `cryptography` is also used by authgate/certificates.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.tokens._proof_cache import LruProofCache
from authgate.tokens._refusal_cache import BoundedRefusalCache
from authgate.tokens.authjs.database import AuthjsDatabase
from authgate.tokens.authjs.nextauth_v4 import NEXTAUTH_V4
from authgate.tokens.authjs.session import AuthjsSession
from authgate.tokens.better_auth.api_jwt import BetterAuthJwt
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.session import BetterAuthSession
from authgate.tokens.jwt import JwtFormat

if TYPE_CHECKING:
    from authgate.core.snapshot import TokenFormat

# Every format, by its name, with its default settings. To add a format, write one file in this package and add one row
# here. presets.py decides which formats an issuer uses. For Better Auth it makes formats with the issuer's settings.
FORMATS: dict[str, TokenFormat] = {
    token_format.name: token_format
    for token_format in (
        JwtFormat(),
        BetterAuthJwt(),
        BetterAuthSession(),
        BetterAuthBearer(accepts="signed"),
        AuthjsSession(),
        AuthjsDatabase(),
        NEXTAUTH_V4,
    )
}

__all__ = ["FORMATS", "BoundedRefusalCache", "LruProofCache"]
