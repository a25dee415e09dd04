"""Hints about the claims of a token whose signature is valid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authgate.cli.hints.case import jws_in
from authgate.cli.hints.kinds import another_kind
from authgate.cli.hints.spelling import as_yaml, difference
from authgate.core.attempts import Attempts
from authgate.core.claim_paths import find, written
from authgate.core.demands import CLIENT_CLAIMS
from authgate.core.errors import Refused
from authgate.core.keys import KeySet
from authgate.core.outputs import header_value
from authgate.core.proof import Proven
from authgate.core.quoting import escaped, quoted
from authgate.core.snapshot import Accept
from authgate.core.values import is_absent
from authgate.tokens import jws, purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.cli.hints.case import Case
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.snapshot import Issuer

# BA/api/routes/email-verification.mjs (1.7.25). `iat` and `exp` come with every JWT of Better Auth.
_EMAIL_TOKEN = frozenset({"email", "updateTo", "userId", "requestType", "iat", "exp"})
_KINDS = {
    Accept.ACCESS_TOKEN: "access token",
    Accept.ID_TOKEN: "ID token",
    Accept.ANY: "access token or the ID token",
}


def client_for_audience(case: Case) -> str:
    """Say which client the token names, where its audience is missing or another."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None or issuer.audiences is None or not case.has_setting("require_claims"):
        return ""
    if case.provider is not None or spelling_of_the_audience(case) or another_kind(case):
        return ""
    if isinstance(case.tried(issuer=replace(issuer, audiences=None)), Refused):
        return ""
    payload = token.payload
    clients = _clients(payload)
    accepted = next((name for name, value in clients.items() if value in issuer.audiences), None)
    name = accepted or next(iter(clients), None)
    if name is None:
        return ""
    audiences = "any" if "aud" not in payload else f"[{', '.join(map(as_yaml, audiences_of(payload['aud'])))}]"
    setting = f"`audiences: {audiences}` and `require_claims: {{{name}: [{as_yaml(clients[name])}]}}`"
    says = (
        "has no aud" if "aud" not in payload else f"has the aud {quoted(', '.join(audiences_of(payload['aud'])), 120)}"
    )
    return (
        f"The token {says}. Its client is in {name}: {quoted(clients[name], 120)}. Let the issuer write one of your "
        "`audiences` (Keycloak: an audience mapper). Or, if every token of this client is meant for you, set "
        f"{setting}."
    )


def another_client_claim(case: Case) -> str:
    """Say that the token has its client in another claim than the one that is demanded."""
    payload = {} if case.jws is None else case.jws.payload
    clients = _clients(payload)
    for path in lacking(payload, case.issuer):
        if path[-1] in CLIENT_CLAIMS and clients:
            name, client = next(iter(clients.items()))
            return f"The token has no {escaped(written(path))}. It has {name}: {quoted(client, 120)}."
    return ""


def perhaps_id_token(case: Case) -> str:
    """Say that the token lacks a claim that only access tokens of its issuer have."""
    issuer, payload = case.issuer, {} if case.jws is None else case.jws.payload
    if issuer is None or issuer.accept is not Accept.ACCESS_TOKEN:
        return ""
    if {*issuer.traits.access_marks}.isdisjoint(lacking(payload, issuer)):
        return ""
    return (
        f"Access tokens of issuer {issuer.name} have such a claim, and ID tokens do not. If the client sends its ID "
        "token, let it send its access token."
    )


def lacking(payload: Mapping[str, Any], issuer: Issuer | None) -> dict[ClaimPath, str]:
    """Return the paths of the claims that *payload* does not have, with the setting of *issuer* that demands each.

    Where a demand names several claims, one of them is enough.
    """
    if issuer is None:
        return {}
    groups: list[tuple[tuple[ClaimPath, ...], str]] = [
        ((path,), "required_claims") for path in sorted(issuer.required_claims)
    ]
    audiences = frozenset(audiences_of(payload.get("aud")))
    demands = (demand for demand in issuer.demands if not demand.optional and demand.concerns(audiences))
    groups += [(demand.paths, demand.setting) for demand in demands]
    absent = [(paths, setting) for paths, setting in groups if all(is_absent(find(payload, path)) for path in paths)]
    return {path: setting for paths, setting in absent for path in paths}


def spelling_of_the_audience(case: Case) -> str:
    """Say that the token's `aud` is an accepted one in another spelling."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None:
        return ""
    for audience in audiences_of(token.payload.get("aud")):
        for accepted in sorted(issuer.audiences or ()):
            if differs := difference(audience, accepted):
                return (
                    f"Only {differs} of the token's aud differs: it is {quoted(audience, 120)}, and `audiences` has "
                    f"{quoted(accepted, 120)}."
                )
    return ""


def another_purpose(case: Case) -> str:
    """Say which kind of token to send, or which setting would accept a token of this purpose or type."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None or not case.has_setting("accept"):
        return ""
    send = f"Send the {_KINDS[issuer.accept]}."
    if case.provider is not None and purpose.unaccepted(token.token_type, token.payload, issuer.accept):
        return f"{send} For the usual causes, see {case.provider.page}#traps."
    for accept in (Accept.ID_TOKEN, Accept.ANY, Accept.ACCESS_TOKEN):
        # Without audiences, the ID tokens of every client would pass: such a configuration is refused.
        is_possible = accept is not Accept.ID_TOKEN or issuer.audiences is not None
        if is_possible and not isinstance(case.tried(issuer=replace(issuer, accept=accept)), Refused):
            return (
                f"{send} With `accept: {accept}`, issuer {issuer.name} accepts this token. Set it only if that is the "
                "kind of token that clients are meant to send here: an ID token is made for the client itself."
            )
    token_type = purpose.normalized(token.token_type or "")
    if isinstance(case.tried(issuer=replace(issuer, token_types=issuer.token_types | {token_type})), Refused):
        return ""
    types = ", ".join(as_yaml(name) for name in sorted({*issuer.token_types, token_type}))
    return f"With `token_types: [{types}]`, issuer {issuer.name} accepts this token, whose typ is {quoted(token_type)}."


def email_token(case: Case) -> str:
    """Say that the token is that of a link in one of Better Auth's emails, which the same secret signs."""
    for _, text in () if case.credential is None else case.credential.parts:
        token = jws_in(text)
        if token is None or not isinstance(token.payload.get("email"), str) or not token.payload.keys() <= _EMAIL_TOKEN:
            continue
        for issuer in case.snapshot.issuers:
            if _is_signed_with_secret(token, issuer):
                return (
                    "The token is that of a link in an email of Better Auth, which verifies or changes an address. The "
                    f"secret of issuer {issuer.name} signs those, too. It is not a session: send the session cookie "
                    "or a JWT of the JWT plugin."
                )
    return ""


def largest_header(case: Case) -> str:
    """Say which identity header has the longest value."""
    outcome = case.tried()
    if case.policy is None or not isinstance(outcome, Proven):
        return ""
    identity = outcome.identity
    longest = max(case.policy.outputs, key=lambda output: len(header_value(output.value(identity))))
    value = longest.value(identity)
    count = f" with {len(value)} values" if isinstance(value, (list, tuple)) else ""
    return f"{longest.header}, from {longest.source}{count}, has {len(header_value(value)):,} bytes of them."


def _clients(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the claims of *payload* that name the client, by their names."""
    return {name: payload[name] for name in CLIENT_CLAIMS if isinstance(payload.get(name), str) and payload[name]}


def audiences_of(value: object) -> Iterator[str]:
    """Yield the texts of the claim `aud`, whose value is *value*."""
    values = value if isinstance(value, list) else [value]
    return (audience for audience in values if isinstance(audience, str))


def _is_signed_with_secret(token: jws.UnverifiedJws, issuer: Issuer) -> bool:
    keys = (*issuer.key_set.keys, *issuer.session_key_set.keys)
    secrets = KeySet(keys=tuple(key for key in keys if key.algorithm == "HS256"))
    try:
        jws.verify_signature(token, secrets, frozenset({"HS256"}), Attempts())
    except Refused:
        return False
    return True
