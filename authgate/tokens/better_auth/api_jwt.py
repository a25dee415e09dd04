"""The JWT plugin's tokens (`GET /api/auth/token`): JWTs by the plugin's keys, the user's row as their claims."""

from __future__ import annotations

from authgate.tokens.jwt import JwtFormat


class BetterAuthJwt(JwtFormat):
    """API JWTs. The plugin always names the key, so one that names none is refused, as the library does."""

    name = "better-auth-jwt"
    key_id_required = True
