"""The JWT plugin's tokens (`GET /api/auth/token`): JWTs with the user's row as claims.

The plugin's keys sign them.
"""

from __future__ import annotations

from authgate.tokens.jwt import JwtFormat


class BetterAuthJwt(JwtFormat):
    """Reads API JWTs. The plugin always names the key, so a token without `kid` is refused, as the library does."""

    name = "better-auth-jwt"
    key_id_required = True
    from_row = True
