"""Hints about tokens of another kind than the issuer's preset reads: what clients of a provider often send instead.

To add one, add a row. Nothing here is verified: the sentences repeat what a token says about itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from authgate.core.claim_paths import find, parse

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case


class Kind(NamedTuple):
    """A kind of token that clients of *preset* send. Its *claim* matches *pattern*; "" matches an absent claim."""

    preset: str
    claim: str
    pattern: str
    sentence: str


_FIREBASE = "Send the result of `await user.getIdToken()` in Authorization."
_SUPABASE = "Send the `access_token` of the user's session in Authorization."
_KINDS = (
    Kind(
        "clerk",
        "sid",
        "",
        "The token belongs to no session. Clerk makes such tokens from a JWT template, for machines and for OAuth "
        "applications. Send the result of `await getToken()`, without a template.",
    ),
    Kind(
        "supabase",
        "role",
        "anon|service_role",
        "The token is an API key of Supabase (anon or service_role), which names no user. supabase-js sends the anon "
        f"key if nobody is signed in. {_SUPABASE}",
    ),
    Kind(
        "firebase",
        "iss",
        r"https://session\.firebase\.google\.com/.*",
        f"The token is a session cookie of Firebase, which has other keys. {_FIREBASE}",
    ),
    Kind(
        "firebase",
        "aud",
        r"https://identitytoolkit\.googleapis\.com/.*",
        "The token is a custom token of Firebase. A client can only sign in with it (`signInWithCustomToken`). "
        f"{_FIREBASE}",
    ),
    Kind(
        "firebase",
        "iss",
        r"https://firebaseappcheck\.googleapis\.com/.*",
        f"The token is one of Firebase App Check, which names an app and no user. {_FIREBASE}",
    ),
    Kind(
        "firebase",
        "iss",
        r"(?:https://)?accounts\.google\.com",
        f"The token is Google's own, with which a user signs in at Firebase. {_FIREBASE}",
    ),
)


def another_kind(case: Case) -> str:
    """Say which kind of token this is, if the preset of its issuer reads another kind."""
    payload = {} if case.jws is None else case.jws.payload
    issuers = case.configured if case.issuer is None else {case.issuer.name: case.configured[case.issuer.name]}
    presets = {loaded.config.preset for loaded in issuers.values()}
    for kind in _KINDS:
        value = find(payload, parse(kind.claim))
        is_known = kind.pattern or case.issuer is not None  # what a token of a foreign issuer lacks says nothing
        text = value if isinstance(value, str) else ""
        if is_known and kind.preset in presets and re.fullmatch(kind.pattern, text):
            return kind.sentence
    return ""
