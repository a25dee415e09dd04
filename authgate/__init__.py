"""Forward auth for nginx, Traefik and Caddy: verifies sessions (Better Auth, Auth.js, NextAuth 4) and JWTs."""

__version__ = "0.1.0"
# The libraries that made the real credentials of the tests (tests/vectors), with their versions.
TESTED_WITH = {"better-auth": "1.7.25", "@auth/core": "0.41.3", "next-auth": "4.24.15"}
