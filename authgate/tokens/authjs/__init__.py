"""Formats of Auth.js v5 and NextAuth v4: encrypted session cookies, and opaque ones for the database strategy."""
