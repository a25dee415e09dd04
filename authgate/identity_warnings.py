"""What an operator should know of the configured claims: some are in no token, and some are weak ids."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from authgate.core.claim_paths import CLAIMS, parse, written
from authgate.core.identity import Identity
from authgate.core.policy import Access
from authgate.policies import Acceptance, accepts, demands, in_words, tests_of
from authgate.presets import PRESETS
from authgate.tokens.claim_sources import unverified

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.demands import Demand
    from authgate.core.outputs import Output
    from authgate.core.policies import Policies
    from authgate.core.policy import Policy
    from authgate.core.rules import Test
    from authgate.presets.preset import LoadedIssuer
    from authgate.presets.settings import JwtSettings

_EMAIL, _VERIFIED = ("email",), ("email_verified",)
# Registered claims that are never objects, so they have no members (RFC 7519 §4.1, OpenID Connect Core §2 and §5.1).
_WITHOUT_MEMBERS = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "scope", "scp", "sid"}
    | {"email", "email_verified", "name", "preferred_username"}
)
# Claims that name the client. At many issuers, the person who registers a client chooses its name.
_OF_CLIENTS = frozenset({"azp", "cid", "client_id", "clientId", "client_name", "common_name"})
# What the claims of a Better Auth session are.
_ROWS = ("session", "user")
_TEXTS = frozenset(field.name for field in fields(Identity) if str(field.type).startswith("str"))


def warnings(made: Policies, entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield the risks and faults of the claims that the policies *made* and the issuers *entries* name."""
    for entry in entries:
        yield from _about_issuer(entry)
    of_users = [policy for policy in made.policies if policy.access is not Access.PUBLIC]
    yield from _about_user_ids(of_users, entries)
    yield from _about_addresses(of_users, entries)
    yield from _about_verified(of_users, entries)
    acceptance = Acceptance(entries)
    yield from _about_headers(of_users, acceptance)
    yield from _about_claims_in_rules(of_users, acceptance)
    named = [*_named_claims(of_users)]
    for entry in entries:
        if entry.jwts is not None and entry.jwts.user_claims:
            yield from _about_claims_of_users(named, entry, entry.jwts)


def _about_issuer(entry: LoadedIssuer) -> Iterator[str]:
    label = f"issuer {entry.config.name}"
    if entry.jwts is None and entry.config.given("identity") is not None:
        yield f"{label}: identity has no effect, because the issuer accepts no JWTs: remove it, or set jwks_url"
    if entry.jwts is None:
        return
    demands = entry.jwts.demands()
    named = [(f"identity.{field}", path) for field, paths in _mapped(entry).items() for path in paths]
    named += [(demand.setting, path) for demand in demands.demands for path in demand.paths]
    named += [("required_claims", parse(text)) for text in demands.required_claims]
    for setting, path in named:
        if path[0] == CLAIMS.rstrip(".") and path[1:]:
            yield (
                f"{label}: {setting}: {written(path)} is the claim {written(path[1:])} within a claim called claims: "
                f"write {written(path[1:])} if you mean the claim itself"
            )
        elif cause := _never_in_jwt(path):
            yield f"{label}: {setting}: no token has {written(path)}, because {cause}"
    subjects = _mapped(entry).get("subject", ())
    of_clients = [
        path
        for position, path in enumerate(subjects)
        if path[-1] in _OF_CLIENTS and not _are_listed(path, demands.demands, before=subjects[:position])
    ]
    if 0 < len(of_clients) < len(subjects):
        others = [path for path in subjects if path not in of_clients]
        yield (
            f"{label}: identity.subject lists {_names(of_clients)} beside {_names(others)}: a client whose name is the "
            f"id of a user counts as that user. Remove {_names(of_clients)}, unless no client can have such a name"
        )


def _are_listed(path: ClaimPath, demands: Iterable[Demand], *, before: Collection[ClaimPath]) -> bool:
    """Whether the issuer accepts only certain values at *path* where no claim of *before* has a value."""
    bounds = (demand for demand in demands if path in demand.paths and demand.accepted is not None)
    return any(demand.unless is None or demand.unless in before for demand in bounds)


def _names(paths: Iterable[ClaimPath]) -> str:
    return ", ".join(map(written, paths))


def _names_users(policy: Policy) -> bool:
    return policy.user_id is not None or any(output.source == "subject" for output in policy.outputs)


def _about_user_ids(policies: list[Policy], entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield where X-User-Id is not an id, or has no prefix, which alone tells the users of several issuers apart."""
    if policies and not any(_names_users(policy) for policy in policies):
        yield "headers: none of them has the user's id, because your list replaces the default: add X-User-Id: subject"
    are_several = any(entry.config.subject_prefix is not None for entry in entries[1:])  # else they are one authority
    for output in dict.fromkeys(policy.user_id for policy in policies if policy.user_id is not None):
        if output.path is None and output.source not in _TEXTS:
            yield f"headers: {output.header} comes from {output.source}, which is not an id: every user is refused"
        elif output.source != "subject" and are_several:
            yield (
                f"headers: {output.header} is {output.source}, which has no subject_prefix: one issuer can state the "
                f"value of another's user, who then is the same user: write {output.header}: subject"
            )


def _about_addresses(policies: list[Policy], entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield where an e-mail address that nobody verified may be the id of a user."""
    fix = "add `email: {verified: true}` to the rules, or `require_claims: {email_verified: true}` to the issuer"
    risk = "and nothing demands that it is verified: at many issuers, users choose their address"
    of_addresses = [policy for policy in policies if _gives_address(policy)]
    unsafe = [policy for policy in of_addresses if any(_may_be_unverified(policy, entry) for entry in entries)]
    if unsafe:
        yield f"headers: X-User-Id comes from the e-mail address, {risk} ({in_words(unsafe)}): {fix}"
    for entry in entries:
        if _EMAIL in _mapped(entry).get("subject", ()) and any(
            accepts(policy, entry) and not _is_verified(policy, entry, _EMAIL) for policy in policies
        ):
            yield f"issuer {entry.config.name}: the subject may be the e-mail address, {risk}: {fix}"


def _about_verified(policies: list[Policy], entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield the policies whose rules demand a verified address where no claim can say that it is."""
    demanding = [
        policy
        for policy in policies
        if policy.rule and any(test.dimension == "email" and _is_of_verified(test) for test in tests_of(policy.rule))
    ]
    for entry in entries:
        paths = unverified(_mapped(entry))
        if not paths or paths != _mapped(entry)["email"]:
            continue
        if vain := [policy for policy in demanding if accepts(policy, entry)]:
            yield (
                f"{in_words(vain)}: no claim shows that an address from issuer {entry.config.name} is verified, "
                f"because identity.email names {_names(paths)}: name the claim that says so in identity.email_verified"
            )


def _about_headers(policies: list[Policy], acceptance: Acceptance) -> Iterator[str]:
    """Yield the headers that are always empty."""
    by_output: dict[Output, dict[frozenset[str] | None, Policy]] = {}  # one policy for each list of issuers
    for policy in policies:
        for output in policy.outputs:
            if output.source is not None:
                by_output.setdefault(output, {})[policy.issuers] = policy
    for output, giving in by_output.items():
        every = giving.get(None)
        accepted = acceptance.of(every) if every else [one for each in giving.values() for one in acceptance.of(each)]
        if output.path is not None:
            cause = _never(output.path, accepted)
        else:
            states = [entry for entry in accepted if output.source in PRESETS[entry.config.preset].states(entry)]
            cause = "" if states or not accepted else "no issuer states it"
        if cause:
            yield f"header {output.header}: {output.source} never has a value: {cause}"


def _about_claims_in_rules(policies: list[Policy], acceptance: Acceptance) -> Iterator[str]:
    """Yield the rules about claims that no token has."""
    for policy in policies:
        accepted = acceptance.of(policy)
        paths = dict.fromkeys(test.path for test in tests_of(policy.rule) if test.path) if policy.rule else {}
        for path in paths:
            if cause := _never(path, accepted):
                yield f"policy {policy.name}: {CLAIMS}{written(path)} never has a value: {cause}"


def _named_claims(policies: list[Policy]) -> Iterator[tuple[Policy, str, ClaimPath]]:
    """Yield each claim that decides what users may do, or who they are, with its policy and where the policy has it."""
    for policy in policies:
        for test in tests_of(policy.rule) if policy.rule else ():
            if test.path:
                yield policy, f"policy {policy.name}", test.path
    for policy in policies:
        if policy.user_id and policy.user_id.path:
            yield policy, policy.user_id.header, policy.user_id.path


def _about_claims_of_users(
    named: list[tuple[Policy, str, ClaimPath]], entry: LoadedIssuer, jwts: JwtSettings
) -> Iterator[str]:
    """Yield where a claim that users of *entry* may write decides what they may do, or who they are."""
    own = [(f"identity.{field}", path) for field, paths in _mapped(entry).items() for path in paths if field != "name"]
    in_policies = [(where, path) for policy, where, path in named if accepts(policy, entry)]
    for where, path in dict.fromkeys((*own, *in_policies)):
        if jwts.may_be_written_by_users(path):
            yield (
                f"issuer {entry.config.name}: {where}: users may write the claim {written(path)} themselves: name a "
                "claim that only you can write"
            )


def _never(path: ClaimPath, accepted: Sequence[LoadedIssuer]) -> str:
    """Return why no credential of the issuers *accepted* has a claim at *path*; "" if one may have it."""
    in_rows, in_jwt = _never_in_rows(path), _never_in_jwt(path)
    if not (in_rows or in_jwt):
        return ""
    causes = [in_rows if _has_rows_alone(entry) else in_jwt for entry in accepted]
    return causes[0] if causes and all(causes) else ""


def _never_in_jwt(path: ClaimPath) -> str:
    return f"the claim {path[0]} has no members" if path[1:] and path[0] in _WITHOUT_MEMBERS else ""


def _never_in_rows(path: ClaimPath) -> str:
    return "" if path[0] in _ROWS else "the claims of a session are claims.user.… and claims.session.…"


def _has_rows_alone(entry: LoadedIssuer) -> bool:
    """Whether all credentials of the issuer are sessions with an account, whose claims are the stored rows."""
    return PRESETS[entry.config.preset].states_accounts and entry.jwts is None


def _mapped(entry: LoadedIssuer) -> dict[str, tuple[ClaimPath, ...]]:
    return {} if entry.jwts is None or entry.jwts.identity is None else entry.jwts.identity.paths()


def _gives_address(policy: Policy) -> bool:
    """Whether the user's id under *policy* is an e-mail address."""
    output = policy.user_id
    return output is not None and (output.source == "email" or output.path == _EMAIL)


def _may_be_unverified(policy: Policy, entry: LoadedIssuer) -> bool:
    """Whether *policy* gives an address of *entry* as the user's id that nobody may have verified."""
    output = policy.user_id
    if output is None or not accepts(policy, entry):
        return False
    claims = (_EMAIL,) if output.path else _mapped(entry).get("email", (_EMAIL,))
    return not all(_is_verified(policy, entry, claim) for claim in claims)


def _is_verified(policy: Policy, entry: LoadedIssuer, claim: ClaimPath) -> bool:
    """Whether the address in *claim* is verified for everybody of *entry* who passes *policy*.

    A rule on `email` is about the claims that `identity.email` names, and `email_verified` is about the claim `email`.
    """
    about_field = claim in _mapped(entry).get("email", (_EMAIL,))
    return (claim == _EMAIL and _requires_verified(entry)) or demands(
        policy.rule,
        lambda test: _is_of_verified(test) and (about_field if test.dimension == "email" else claim == _EMAIL),
    )


def _is_of_verified(test: Test) -> bool:
    if test.dimension == "email":
        _, must_be_verified = test.expected
        return bool(must_be_verified)
    return test.path == _VERIFIED and test.operator in {"any_of", "all_of"} and _all_true(test.expected)


def _requires_verified(entry: LoadedIssuer) -> bool:
    demands = () if entry.jwts is None else entry.jwts.demands().demands
    return any(demand.paths == (_VERIFIED,) and _all_true(demand.accepted or (None,)) for demand in demands)


def _all_true(values: Iterable[object]) -> bool:
    return all(value is True or value == "true" for value in values)
