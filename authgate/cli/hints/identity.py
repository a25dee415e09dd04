"""Hints about the claims that become the identity: the user's id, roles and the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authgate.cli._terminal import escaped
from authgate.core.claim_paths import find, written
from authgate.core.decision import Allow
from authgate.core.errors import Refused, quoted
from authgate.core.proof import Proven
from authgate.core.values import is_absent, type_name
from authgate.tokens.claim_sources import DEFAULT_CLAIMS, sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.cli.hints.case import Case
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.identity import Identity

# Claims that issuers use for the id of a user or of a client, in this order: `oid` of Entra ID, names, then clients.
_IDS = ("sub", "oid", "user_id", "userId", "uid", "id", "cognito:username", "preferred_username", "upn", "username",
        "client_id")  # fmt: skip
_MAX_DEPTH = 3


def another_subject(case: Case) -> str:
    """Say which claim of the token can be the user's id."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None or not case.has_setting("identity"):
        return ""
    if not isinstance(case.tried(), Refused):  # a header or a policy refused it
        return ""
    for name in _IDS:
        outcome = case.tried(issuer=replace(issuer, identity={**issuer.identity, "subject": ((name,),)}))
        if isinstance(outcome, Proven) and (name,) not in issuer.identity.get("subject", ()):
            shown = quoted(outcome.identity.subject, 120)
            advice = (
                "A claim that is named there may be an integer."
                if name == "sub"
                else "Take a claim that never changes and never passes on to another user."
            )
            return (
                f"With `identity: {{subject: {written((name,))}}}`, issuer {issuer.name} accepts this token, and the "
                f"user's id is {shown}. {advice}"
            )
    return ""


def unreadable(case: Case) -> str:
    """Say which claim has a form that its field cannot be read from."""
    identity = _identity(case)
    if identity is None or case.issuer is None:
        return ""
    for field, read, paths in sources(case.issuer.identity):
        claims = ((path, find(identity.claims, path)) for path in paths if field in identity.unknown)
        path, value = next(((path, value) for path, value in claims if not is_absent(value)), ((), None))
        if not path:
            continue
        try:
            read(value)
        except ValueError:
            return (
                f"AuthGate cannot read {field} from the claim {written(path)}, which is {_form(value)}. So {field} is "
                f"empty in headers, and a rule about it is not true. `identity: {{{field}: …}}` can name another claim."
            )
    return ""


def claim_elsewhere(case: Case) -> str:
    """Say where else in the token a claim is that the configuration names."""
    payload = _payload(case)
    for setting, paths in _named(case):
        if any(find(payload, path) is not None for path in paths):
            continue
        found = next((other for path in paths for other in _like(payload, path)), None)
        if found is not None:
            names = " or ".join(f"`{written(path)}`" for path in paths)
            return f"{setting} is {names}, which the token does not have. It has `{escaped(written(found))}`."
    return ""


def _named(case: Case) -> Iterator[tuple[str, tuple[ClaimPath, ...]]]:
    """Yield the settings that name claims, each with the paths of the claims."""
    for output in () if case.policy is None else case.policy.outputs:
        if output.path is not None:
            yield f"The claim for the header {output.header}", (output.path,)
    if case.issuer is None:
        return
    for field, paths in case.issuer.identity.items():
        if paths != DEFAULT_CLAIMS.get(field):
            yield f"`identity.{field}`", paths
    for path in sorted(case.issuer.required_claims):
        yield "A claim of `required_claims`", (path,)
    for path, _ in case.issuer.required_values:
        yield "A claim of `require_claims`", (path,)


def _like(payload: Mapping[str, Any], path: ClaimPath) -> Iterator[ClaimPath]:
    """Yield the paths of *payload* that may be meant by *path*: the same name elsewhere, or dots within a name."""
    for other, value in _members(payload):
        is_same_name = other[-1].casefold() in {path[-1].casefold(), ".".join(path).casefold()}
        if (is_same_name or ".".join(other) == ".".join(path)) and not is_absent(value):
            yield other


def _members(value: Mapping[str, Any], above: ClaimPath = ()) -> Iterator[tuple[ClaimPath, Any]]:
    for name, member in value.items():
        yield (*above, name), member
        if isinstance(member, dict) and len(above) + 1 < _MAX_DEPTH:
            yield from _members(member, (*above, name))


def _payload(case: Case) -> Mapping[str, Any]:
    identity = _identity(case)
    if identity is not None:
        return identity.claims
    return {} if case.jws is None else case.jws.payload


def _identity(case: Case) -> Identity | None:
    if isinstance(case.decision, Allow):
        return case.decision.identity
    outcome = case.tried()
    return None if isinstance(outcome, Refused) or not isinstance(outcome, Proven) else outcome.identity


def _form(value: object) -> str:
    """Return the form of *value* in words: "a list that holds an object"."""
    if not isinstance(value, list):
        return type_name(value)
    others = (type_name(element) for element in value if not isinstance(element, str))
    return f"a list that holds {next(others, 'text')}"
