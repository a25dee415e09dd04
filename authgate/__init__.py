"""Forward auth for nginx, Traefik and Caddy: verifies sessions (Better Auth, Auth.js, NextAuth 4) and JWTs."""

__version__ = "0.1.0"
