"""Better Auth's formats: session cookies in every strategy, the bearer plugin's tokens, the JWT plugin's JWTs.

`session.py` is where a pair of cookies is verified; docs/formats/better-auth.md says what the library writes.
"""
