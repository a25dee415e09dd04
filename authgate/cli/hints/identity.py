"""Hints about the claims that become the identity: the user's id, roles and the rest."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from authgate.cli.hints.claims import lacking
from authgate.cli.hints.spelling import as_yaml
from authgate.core.claim_paths import elsewhere, find, parse, written
from authgate.core.errors import Refused
from authgate.core.proof import Proven
from authgate.core.quoting import escaped, quoted
from authgate.core.rules import Not, Test
from authgate.core.values import is_absent, type_name
from authgate.presets.settings import JwtSettings
from authgate.tokens.claim_sources import DEFAULT_CLAIMS, sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.cli.hints.case import Case
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.rules import Rule
    from authgate.core.snapshot import Issuer

# Claims that issuers use for the id of a user. Names and addresses pass on to other users, so they are not here.
_IDS = ("sub", "oid", "user_id", "userId", "uid", "id")
# Claims that name a user, and do not identify a user.
_NAMES = ("preferred_username", "cognito:username", "username", "upn", "unique_name", "email")
# Claims of tokens that a client gets for a user.
_OF_USERS = frozenset({*_NAMES, "name", "sid", "session_state", "auth_time", "nonce"})
# Claims that issuers use for roles.
_ROLES = frozenset({"roles", "role", "groups", "group", "authorities"})
_WORDS = re.compile(r"[A-Za-z0-9]+")
_SIMILARITY = 0.8
_MAX_DEPTH = 3
_MAX_NAMED = 3


def another_subject(case: Case) -> str:
    """Say which claim of the token can be the user's id, or why none can."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None or not case.has_setting("identity"):
        return ""
    if not isinstance(case.tried(), Refused):  # a header or a policy refused it
        return ""
    for name in _IDS:
        subject = _subject(case, issuer, (name,))
        if subject and (name,) not in issuer.identity.get("subject", ()):
            advice = (
                "A claim that is named there may be an integer."
                if name == "sub"
                else "Take a claim that never changes and never passes on to another user."
            )
            return (
                f"With `identity: {{subject: {_yaml((name,))}}}`, issuer {issuer.name} accepts this token, and the "
                f"user's id is {quoted(subject, 120)}. {advice}"
            )
    if subject := _subject(case, issuer, ("sub",), ("client_id",)) if _OF_USERS.isdisjoint(token.payload) else "":
        return (
            f"This is a token of the client {quoted(subject, 120)}, without a user. With `identity: {{subject: [sub, "
            f"client_id]}}`, issuer {issuer.name} accepts it. Do so only if clients cannot choose their own ids: a "
            "client with the id of a user would be that user."
        )
    named = next((name for name in _NAMES if _subject(case, issuer, (name,))), "")
    return named and (
        f"The token names its user only in {named}, which can pass on to another user. Let the issuer write `sub` "
        "(Keycloak: the client scope `basic`). Or let `identity: {subject: …}` name a claim that never changes."
    )


def _subject(case: Case, issuer: Issuer, *paths: ClaimPath) -> str:
    """Return the user's id if `identity.subject` is *paths*; "" if the token is refused then."""
    outcome = case.tried(issuer=replace(issuer, identity={**issuer.identity, "subject": paths}))
    return outcome.identity.subject if isinstance(outcome, Proven) else ""


def unreadable(case: Case) -> str:
    """Say which claim has a form that its field cannot be read from."""
    identity = case.identity
    if identity is None or case.issuer is None:
        return ""
    for field, read, paths in sources(case.issuer.identity):
        if field not in identity.unknown:
            continue
        for path in (path for path in paths if path[0] in elsewhere(identity.claims)):
            return (
                f"The token does not have {escaped(written(path))}, and says that another server has it (a user with "
                f"many groups at Entra ID, for example). So {field} is empty in headers, and a rule about it is not "
                "true."
            )
        claims = ((path, find(identity.claims, path)) for path in paths)
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


def roles_elsewhere(case: Case) -> str:
    """Say which claims can be the roles, if the user has none and `identity` does not name their claim."""
    identity = case.identity
    if identity is None or not case.has_setting("identity") or not _reads(case, "roles"):
        return ""
    if case.issuer is None or "roles" in case.issuer.identity or identity.roles or "roles" in identity.unknown:
        return ""
    found = [path for path, value in _claims(case) if _may_be_roles(path, value)][:_MAX_NAMED]
    settings = (f"`{escaped(written(path))}`: set `identity: {{roles: {_yaml(path)}}}`" for path in found)
    return f"The user has no roles. The token has {', or '.join(settings)}." if found else ""


def list_within(case: Case) -> str:
    """Say that the roles are the names of an object's members, and that a member is a list of roles itself."""
    identity = case.identity
    if identity is None or case.issuer is None or not identity.roles or not case.has_setting("identity"):
        return ""
    for path in case.issuer.identity.get("roles", DEFAULT_CLAIMS["roles"]):
        value = find(identity.claims, path)
        if is_absent(value):
            continue
        for name, member in value.items() if isinstance(value, dict) else ():
            if isinstance(member, list) and _is_list_of_roles(member):
                return (
                    f"The claim `{escaped(written(path))}` is an object, so the names of its members are the roles: "
                    f"{quoted(', '.join(identity.roles), 120)}. Its member {quoted(name)} is a list: did you mean "
                    f"`identity: {{roles: {_yaml((*path, name))}}}`?"
                )
        return ""
    return ""


def claim_elsewhere(case: Case) -> str:
    """Say where else in the token a claim is that the configuration names."""
    payload = _payload(case)
    for setting, paths in _named(case):
        if any(find(payload, path) is not None for path in paths):
            continue
        found = next((other for path in paths for other in _like(case, path)), None)
        if found is None and "`identity.roles`" in setting:
            found = next((other for other, value in _claims(case) if _may_be_roles(other, value)), None)
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
    usual = {} if case.provider is None else case.provider.facts().identity
    for field, paths in case.issuer.identity.items():
        # Where a preset reads a field, the claim is absent because the user has none. Roles may have another claim.
        is_of_preset = field != "roles" and paths == tuple(map(parse, usual.get(field, ())))
        if paths != DEFAULT_CLAIMS.get(field) and not is_of_preset:
            yield f"`identity.{field}`", paths
    for path, setting in lacking(_payload(case), case.issuer).items():
        yield f"A claim that {setting} demands", (path,)


def _like(case: Case, path: ClaimPath) -> Iterator[ClaimPath]:
    """Yield the claims of the token that may be meant by *path*.

    First the same name elsewhere, or dots within a name; then names that are spelled almost like it.
    """
    present = [other for other, value in _claims(case) if not is_absent(value)]
    for other in present:
        is_same_name = other[-1].casefold() in {path[-1].casefold(), ".".join(path).casefold()}
        if is_same_name or ".".join(other) == ".".join(path):
            yield other
    spelled = path[-1].casefold()
    yield from (
        other for other in present if SequenceMatcher(None, spelled, other[-1].casefold()).ratio() >= _SIMILARITY
    )


def _claims(case: Case) -> Iterator[tuple[ClaimPath, Any]]:
    """Yield the claims of the token at every depth that can say something about the user.

    Users may write some claims themselves, and some have the same value in every token that is accepted.
    """
    config = None if case.issuer is None else case.configured[case.issuer.name].config
    demands = () if case.issuer is None else case.issuer.demands
    same = {path for demand in demands if demand.accepted for path in demand.paths}
    for path, value in _members(_payload(case)):
        is_of_user = isinstance(config, JwtSettings) and config.may_be_written_by_users(path)
        if not is_of_user and path not in same:
            yield path, value


def _members(value: Mapping[str, Any], above: ClaimPath = ()) -> Iterator[tuple[ClaimPath, Any]]:
    for name, member in value.items():
        yield (*above, name), member
        if isinstance(member, dict) and len(above) + 1 < _MAX_DEPTH:
            yield from _members(member, (*above, name))


def _payload(case: Case) -> Mapping[str, Any]:
    if case.identity is not None:
        return case.identity.claims
    return {} if case.jws is None else case.jws.payload


def _reads(case: Case, field: str) -> bool:
    """Whether a header or a rule of the policy needs *field*."""
    return case.policy is not None and (field in case.policy.fields or field in _dimensions(case.policy.rule))


def _dimensions(rule: Rule | None) -> Iterator[str]:
    """Yield what the tests of *rule* are about."""
    if isinstance(rule, Test):
        yield rule.dimension
    elif isinstance(rule, Not):
        yield from _dimensions(rule.rule)
    elif rule is not None:
        for part in rule.rules:
            yield from _dimensions(part)


def _may_be_roles(path: ClaimPath, value: object) -> bool:
    """Whether the last name of *path* ends with a word for roles, as "https://example.com/roles" does."""
    words = _WORDS.findall(path[-1].casefold())
    is_object = isinstance(value, dict) and bool(value) and all(isinstance(member, dict) for member in value.values())
    return bool(words) and words[-1] in _ROLES and (is_object or _is_list_of_roles(value))


def _is_list_of_roles(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(one, str) and one for one in values)


def _yaml(path: ClaimPath) -> str:
    """Return *path* as a value of a setting, safe for the terminal."""
    return escaped(as_yaml(written(path)))


def _form(value: object) -> str:
    """Return the form of *value* in words: "a list that holds an object"."""
    if not isinstance(value, list):
        return type_name(value)
    others = (type_name(element) for element in value if not isinstance(element, str))
    return f"a list that holds {next(others, 'text')}"
