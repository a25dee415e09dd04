"""Hints about session cookies: their names, and the session store."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from authgate.cli.hints.shared_secrets import secrets_of, session_keys
from authgate.cli.hints.times import lasting
from authgate.core.credential import SessionPlace, find_credentials
from authgate.core.keys import KeySet
from authgate.core.proof import NeedsSession, SessionCheck
from authgate.core.quoting import quoted
from authgate.presets import PRESETS
from authgate.presets.authjs import AuthjsIssuer
from authgate.presets.nextauth_v4 import NextAuthIssuer
from authgate.presets.settings import SECURE_PREFIX

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case

# How many characters of the Cookie header to search for the names of cookies.
_MAX_SEARCHED_CHARACTERS = 8192
# How many names of cookies to try. AuthGate derives keys for each of them.
_MAX_TRIED = 16
_STORE = "Give the issuer a `url` or `sessions`; without a configuration file, set BETTER_AUTH_URL"


def cookie_of_another_scheme(case: Case) -> str:
    """Say that the session cookie is there with, or without, the prefix of https."""
    for place in () if case.policy is None else case.policy.places:
        if not isinstance(place, SessionPlace):
            continue
        has_prefix = place.name.startswith(SECURE_PREFIX)
        other = place.name.removeprefix(SECURE_PREFIX) if has_prefix else SECURE_PREFIX + place.name
        if not find_credentials(case.request, (replace(place, name=other),)):
            continue
        config = case.configured[place.issuer_name].config
        is_named = config.given("cookies") is not None
        cause = "`cookies` names it" if is_named else f"`url` is {quoted(str(config.given('url')), 120)}"
        writer = "takes its own URL for http, as in development" if has_prefix else "takes its own URL for https"
        return (
            f"The request has the cookie {other}, {'without' if has_prefix else 'with'} the prefix {SECURE_PREFIX}. "
            f"AuthGate reads {place.name}, because {cause} (issuer {place.issuer_name}). A front end writes {other} if "
            f"it {writer}. Give both the URL that browsers use."
        )
    return ""


def cookie_of_another_name(case: Case) -> str:
    """Say that a cookie with another name holds a session of an issuer."""
    lines = "; ".join(case.request.headers.getall("cookie", ()))[:_MAX_SEARCHED_CHARACTERS]
    for place in () if case.policy is None else case.policy.places:
        if not isinstance(place, SessionPlace):
            continue
        issuer, loaded = case.snapshot.issuer(place.issuer_name), case.configured[place.issuer_name]
        preset = PRESETS[loaded.config.preset]
        # The same secret signs other cookies, too, so only those that are called like this one are tried.
        last_word = re.escape(place.name.rpartition(".")[2])
        names = dict.fromkeys(re.findall(rf";\s*([!-:<>-~]{{0,60}}{last_word})(?:\.0)?\s*=", f";{lines}"))
        own = place.name.removeprefix(SECURE_PREFIX)
        for name in islice((name for name in names if name.removeprefix(SECURE_PREFIX) != own), _MAX_TRIED):
            if not (found := find_credentials(case.request, (replace(place, name=name),))):
                continue
            keys = [session_keys(preset, secret, [name]) for secret in secrets_of(loaded, issuer)]
            trial = replace(issuer, session_key_set=KeySet(keys=tuple(key for each in keys for key in each.keys)))
            if case.is_signed_under(trial, credential=found[0]):
                setting = f"`cookies: {{session_token: {name}}}`"
                return f"The cookie {name} holds a session of issuer {issuer.name}: set {setting}."
    return ""


def cached_data(case: Case) -> str:
    """Say when the copy of the session in a data cookie ended, and that nobody else can be asked."""
    outcome = case.tried()
    if not isinstance(outcome, NeedsSession) or outcome.copy is None or case.issuer is None:
        return ""
    if case.issuer.session_check is not SessionCheck.NONE or case.now < outcome.fresh_until:
        return ""
    ago = lasting(case.now - outcome.fresh_until)
    return (
        f"The session itself may go on: only its copy in the data cookie ended, {ago} ago, and issuer"
        f" {case.issuer.name} has no session store to ask. {_STORE}."
    )


def without_subject(case: Case) -> str:
    """Say where the front end sets the id of the user, if a session of Auth.js has none."""
    issuer = case.issuer
    config = None if issuer is None else case.configured[issuer.name].config
    if case.jws is not None or not isinstance(config, (AuthjsIssuer, NextAuthIssuer)):
        return ""
    return f"The session of issuer {config.name} has no `sub`: set it in the front end's jwt() callback."


def not_in_the_store(case: Case) -> str:
    """Say that the session store does not know the session, or that there is no store."""
    outcome = case.tried()
    if not isinstance(outcome, NeedsSession) or case.issuer is None:
        return ""
    store = case.configured[case.issuer.name].store
    if store is not None:
        return (
            f"The signature is valid, so the secrets agree. The session is not in {store.where}. Either it has ended, "
            "or the front end keeps its sessions elsewhere."
        )
    if outcome.copy is not None:
        return ""
    return (
        f"The signature is valid, so the secrets agree. But issuer {case.issuer.name} has no session store, and the "
        f"request has no data cookie. {_STORE}. Or switch on the front end's cookie cache."
    )
