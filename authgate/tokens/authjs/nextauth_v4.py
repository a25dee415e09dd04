"""NextAuth v4's encrypted session cookies (next-auth 4's jwt/index.js): as Auth.js v5's, under another key.

The key is made from the secret alone, so plain and `__Secure-` cookies share it; it names none (`kid`). Older releases
encrypted the cookies of a running sign-in under it, too (CVE-2023-48309): what has no `sub` is nobody's session.
"""

from __future__ import annotations

from authgate.tokens.authjs.session import AuthjsSession

NEXTAUTH_V4 = AuthjsSession(name="nextauth-v4-session", name_in_key=False)
