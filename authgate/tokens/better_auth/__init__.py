"""Formats of Better Auth: session cookies of every strategy, tokens of the bearer plugin, JWTs of the JWT plugin.

session.py verifies a pair of session cookies. docs/formats/better-auth.md describes what the library writes.
"""
