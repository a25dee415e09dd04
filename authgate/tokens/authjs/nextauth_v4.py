"""NextAuth v4's encrypted session cookies (next-auth 4's jwt/index.js): like those of Auth.js v5, with another key.

The key is derived from the secret alone, so plain and `__Secure-` cookies share it. The cookies name no key (`kid`).
Older releases used the same key to encrypt the cookies of a sign-in that is still in progress (CVE-2023-48309). Those
have no `sub`, so a cookie without `sub` is not a session.
"""

from __future__ import annotations

from authgate.tokens.authjs.session import AuthjsSession

NEXTAUTH_V4 = AuthjsSession(name="nextauth-v4-session", name_in_key=False)
