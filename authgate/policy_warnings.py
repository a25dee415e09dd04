"""What an operator should know of the policies.

Some never match, some exceptions are wider than they seem, some rules are unknown for the users of an issuer, and some
are open to the users of another application.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement, islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from authgate.core.credential import CookiePlace, SessionPlace
from authgate.core.csrf import SAFE_METHODS
from authgate.core.overlap import covers, overlaps
from authgate.core.paths import fold
from authgate.core.policies import first_segment
from authgate.core.policy import Access, Match
from authgate.core.quoting import cut
from authgate.core.rules import Not, Some, Test
from authgate.policies import Acceptance, accepts, demands, fields_of, header_names, in_words, path_fields, tests_of
from authgate.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from authgate.config.model import Config
    from authgate.core.paths import PathPattern
    from authgate.core.policies import Policies
    from authgate.core.policy import Policy
    from authgate.core.rules import Rule
    from authgate.presets.preset import LoadedIssuer

# The claim of a JWT that states each state of a session.
_CLAIMS = {"impersonated": "act", "anonymous": "is_anonymous", "banned": "banned"}

# In messages.
_ISSUERS_SHOWN = 10
_PLACES_SHOWN = 10
_MAX_CHARACTERS = 200

# How many hosts, paths and clients of policies are compared with each other: those of 1,000 policies with two of each.
_MAX_COMPARISONS = 5_000_000

# A literal segment of a pattern, with its position.
_Literal: TypeAlias = tuple[int, str]
_Ends: TypeAlias = tuple[_Literal, _Literal]


def announcements(config: Config) -> Iterator[str]:
    """Yield which headers the proxies must pass on if *config* adds some."""
    names = header_names(config)
    if added := [name for name in names if name not in type(config).model_fields["headers"].default]:
        yield (
            f"headers: the configuration adds {', '.join(added)}. The proxy must know all of {', '.join(names)}, or "
            "clients can forge them: generate the proxy's files again (authgate proxy), and verify them with --check"
        )


def _about_strangers(made: Policies, entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield which issuers sign nearly everyone in, if a policy demands nothing more."""
    open_policies = [one for one in made.policies if one.access is Access.REQUIRE and one.rule is None]
    for entry in entries:
        who = entry.config.strangers()
        if who and any(accepts(policy, entry) for policy in open_policies):
            yield f"issuer {entry.config.name}: {who}, or demand more than a signed-in user in every policy"


def warnings(config: Config, made: Policies, entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield the risks and faults of the policies *made* of *config*. *entries* are its issuers."""
    is_set = config.paths.encoded_slash == "data" or config.paths.semicolon == "data"
    if is_set and not made.reads_paths:
        yield "paths: has no effect on decisions, because no policy matches by path. It only changes `authgate proxy`"
    if any(entry.config.subject_prefix is not None for entry in entries[1:]):  # else one issuer, or one authority
        yield from _about_audiences(config, made, entries)
    yield from _about_strangers(made, entries)
    yield from _about_origins(config, made.policies)
    yield from _about_matches(made.policies)
    acceptance = Acceptance(entries)
    kinds: dict[frozenset[str] | None, list[_Kind]] = {}  # by the names in `issuers` of the policy
    for policy in made.policies:
        if policy.rule is not None:
            if policy.issuers not in kinds:
                kinds[policy.issuers] = _kinds(acceptance.of(policy))
            yield from _about_rules(policy, policy.rule, kinds[policy.issuers])
    yield from _about_members(config, made, entries)


def _about_origins(config: Config, policies: tuple[Policy, ...]) -> Iterator[str]:
    """Yield the origins whose pages may read refusals, but must not send unsafe requests with a cookie.

    The default cookie of JWTs is none that anybody chose, so it does not count.
    """
    are_chosen = {policy.name for policy in config.policies or () if policy.credentials is not None}
    by_origin: dict[str, list[Policy]] = {}
    for policy in policies:
        is_chosen = policy.name in are_chosen or "credentials" in config.model_fields_set
        reads_cookies = any(
            isinstance(place, SessionPlace) or (is_chosen and isinstance(place, CookiePlace)) for place in policy.places
        )
        is_safe = bool(policy.match.methods) and policy.match.methods <= SAFE_METHODS
        if policy.csrf is None or policy.access is Access.PUBLIC or not reads_cookies or is_safe:
            continue
        for origin in sorted(policy.cors.allowed_origins - policy.csrf.allowed_origins):
            if policy.match.hosts != (origin.partition("://")[2],):  # its own
                by_origin.setdefault(origin, []).append(policy)
    for origin, of_origin in by_origin.items():
        yield (
            f"{in_words(of_origin)}: pages of {origin} may read refusals (cors), but their POST with a cookie is "
            "refused. Add the origin to csrf.allowed_origins. If its pages send no cookies, leave cookies out of "
            "`credentials` of the policy"
        )


def _about_audiences(config: Config, made: Policies, entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield the policies that are open to the users of all issuers, though these are for different audiences."""
    meant_for = {entry.config.name: _meant_for(entry) for entry in entries if _meant_for(entry)}
    are_open = [policy for policy in made.policies if policy.access is not Access.PUBLIC and not _names_issuers(policy)]
    if len({*meant_for.values()}) > 1 and are_open:
        which, fix = f"{in_words(are_open)}: open", "name the issuers in `issuers` of the policy"
        if config.policies is None:
            which = "there are no policies, so all is open"
            fix = f"write policies, such as {{name: app, require: signed_in, issuers: [{next(iter(meant_for))}]}}"
        shown = [
            f"{name}: {cut(audience, _MAX_CHARACTERS)}" for name, audience in islice(meant_for.items(), _ISSUERS_SHOWN)
        ]
        audiences = "; ".join(shown) + (" …" if len(meant_for) > _ISSUERS_SHOWN else "")
        yield (
            f"{which} to the users of every issuer, also with a credential that is meant for another audience "
            f"({audiences}): {fix} (docs/two-applications.md)"
        )


def _meant_for(entry: LoadedIssuer) -> str:
    """Return the audiences of *entry*, else the origins of its front end, "" if neither is known."""
    audiences = entry.config.given("audiences")
    origins = ("/".join(url.split("/")[:3]) for url in entry.config.urls)
    return "any" if audiences == "any" else ", ".join(sorted(audiences if isinstance(audiences, list) else origins))


def _names_issuers(policy: Policy) -> bool:
    """Whether *policy* says which issuers it accepts: by `issuers`, or by a rule that it always demands."""
    return policy.issuers is not None or demands(policy.rule, lambda test: test.dimension == "issuer")


def _about_matches(policies: tuple[Policy, ...]) -> Iterator[str]:
    """Yield which policies never match, and which exceptions are not wholly inside of what they are exceptions from."""
    live: list[Policy] = []
    comparisons = _Comparisons()
    # So that 1,000 policies are not each compared with all others: a pattern that covers another has its literals.
    by_ends: dict[_Ends | None, list[Policy]] = {}  # by the first and the last literal of each pattern
    for policy in policies:
        literals = [_literals(pattern) for pattern in policy.match.paths] or [()]
        pairs = combinations_with_replacement(literals[0], 2)
        candidates = (candidate for ends in (None, *pairs) for candidate in by_ends.get(ends, ()))
        earlier = next((candidate for candidate in candidates if comparisons.covers(candidate, policy)), None)
        for ends in dict.fromkeys((each[0], each[-1]) if each else None for each in literals):
            by_ends.setdefault(ends, []).append(policy)
        if earlier is None:
            live.append(policy)
        else:
            yield (
                f"policy {policy.name}: never matches, because policy {earlier.name} before it matches all of its "
                "requests: move it up, or remove it"
            )
    starts = [frozenset(first_segment(pattern) for pattern in policy.match.paths) or {None} for policy in live]
    for position, policy in enumerate(live):
        if policy.access is not Access.REQUIRE:
            later = zip(live[position + 1 :], starts[position + 1 :], strict=True)
            protecting = [
                other
                for other, start in later
                if other.access is Access.REQUIRE
                and _may_meet(starts[position], start)
                and comparisons.overlap(policy, other)
            ]
            yield from _about_exception(policy, protecting)
    if comparisons.are_too_many:
        yield (
            "policies: not all of them are compared with each other, because their hosts, paths and clients are too "
            "many: some may never match, and some exceptions may be wider than they seem"
        )


class _Comparisons:
    """Compares policies until there were too many comparisons. Then nothing covers or overlaps anything any more."""

    def __init__(self) -> None:
        self._left = _MAX_COMPARISONS

    @property
    def are_too_many(self) -> bool:
        return self._left < 0

    def covers(self, wide: Policy, narrow: Policy) -> bool:
        return self._counts(wide, narrow) and covers(wide.match, narrow.match)

    def overlap(self, one: Policy, other: Policy) -> bool:
        return self._counts(one, other) and overlaps(one.match, other.match)

    def _counts(self, one: Policy, other: Policy) -> bool:
        """Whether one more comparison may be made. It may take as many steps as the product of two lists."""
        a, b = one.match, other.match
        self._left -= 1 + sum(
            len(mine) * len(theirs) for mine, theirs in ((a.hosts, b.hosts), (a.paths, b.paths), (a.clients, b.clients))
        )
        return self._left >= 0


def _literals(pattern: PathPattern) -> tuple[_Literal, ...]:
    """Return the literal segments of *pattern*, each with its position, in lower case."""
    return tuple((at, fold(text)) for at, text in enumerate(pattern.segments) if isinstance(text, str))


def _may_meet(one: AbstractSet[str | None], other: AbstractSet[str | None]) -> bool:
    """Whether patterns that begin with a segment of *one* and of *other* may match the same path. None is any."""
    return None in one or None in other or not one.isdisjoint(other)


def _about_exception(policy: Policy, protecting: list[Policy]) -> Iterator[str]:
    """Yield how *policy*, which is public or optional, overlaps the *protecting* policies after it, in part or not."""
    met = [(other, replace(other.match, exactly=True)) for other in protecting]
    partly = [other for other, exact in met if overlaps(policy.match, exact) and not covers(other.match, policy.match)]
    # Only paths are compared: in everything else the two meet already.
    parts = [Match(paths=(pattern,), exactly=policy.match.exactly) for pattern in policy.match.paths] or [Match()]
    by_spelling = [
        other
        for other, exact in met
        if any(overlaps(part, other.match) and not overlaps(part, exact) for part in parts)
    ]
    if partly:
        yield (
            f"policy {policy.name}: is {policy.access} and partly overlaps {in_words(partly)} after it. Requests that "
            f"both match are {policy.access}. If you mean that, give them their own policy; otherwise narrow its match"
        )
    if by_spelling:
        yield (
            f"policy {policy.name}: is {policy.access} and overlaps {in_words(by_spelling)} after it only because a "
            "policy with require ignores upper and lower case and a trailing slash. A server that ignores them, too, "
            "would answer for the protected path: move it down, or choose another path"
        )


class _Kind(NamedTuple):
    """Issuers that are alike in what their credentials can state. *positions* are those among the accepted ones."""

    states: frozenset[str]
    states_accounts: bool
    positions: list[int]
    names: list[str]


def _kinds(accepted: tuple[LoadedIssuer, ...]) -> list[_Kind]:
    """Return the kinds of the issuers *accepted*. There are few, however many issuers there are."""
    kinds: dict[tuple[frozenset[str], bool], _Kind] = {}
    for position, entry in enumerate(accepted):
        states, states_accounts = PRESETS[entry.config.preset].states(entry), _states_accounts(entry)
        kind = kinds.setdefault((states, states_accounts), _Kind(states, states_accounts, [], []))
        kind.positions.append(position)
        kind.names.append(entry.config.name)
    return [*kinds.values()]


def _about_rules(policy: Policy, rule: Rule, accepted: list[_Kind]) -> Iterator[str]:
    """Yield the tests of the *rule* of *policy* that are unknown for users of some *accepted* issuers, or of all."""
    refused = [kind for kind in accepted if not _truths(rule, kind.states)[0]]
    names = dict.fromkeys((_name(test), fields_of(test), _claim(test)) for test in tests_of(rule))
    for name, fields, claim in names:
        without = [kind for kind in accepted if not kind.states.issuperset(fields)]
        by_claim = [kind for kind in accepted if claim and not kind.states_accounts]
        if unknown := without or by_claim:
            others = [kind for kind in accepted if kind not in unknown]
            which = "" if without else f" whose token has no claim {claim}"
            known = f" ({_issuers(others)} can state it)" if others else ""
            effect = f", so {_effect(without, refused, accepted)}" if without else ""
            yield f"policy {policy.name}: {name} is unknown for users of {_issuers(unknown)}{which}{known}{effect}"


def _states_accounts(entry: LoadedIssuer) -> bool:
    return entry.sessions is not None and PRESETS[entry.config.preset].states_accounts


def _effect(without: list[_Kind], refused: list[_Kind], accepted: list[_Kind]) -> str:
    affected = [kind for kind in without if kind in refused]
    if len(affected) == len(accepted):
        return "the policy refuses everybody"
    return f"the policy refuses all of {_issuers(affected)}" if affected else "that part of the rule is never true"


def _issuers(kinds: Iterable[_Kind]) -> str:
    """Return "issuer a" or "issuers a, b": the names of the first issuers of *kinds*, and how many more there are."""
    names = [
        name for _, name in sorted(pair for kind in kinds for pair in zip(kind.positions, kind.names, strict=True))
    ]
    more = f" and {len(names) - _ISSUERS_SHOWN} more" if len(names) > _ISSUERS_SHOWN else ""
    return f"issuer{'s' * (len(names) > 1)} {', '.join(names[:_ISSUERS_SHOWN])}{more}"


def _name(test: Test) -> str:
    return f"session.{test.operator}" if test.dimension == "session" else test.dimension


def _claim(test: Test) -> str:
    return _CLAIMS[test.operator] if test.dimension == "session" else ""


def _truths(rule: Rule, stated: frozenset[str]) -> tuple[bool, bool]:
    """Return whether *rule* can be true, and whether it can be false, where only the fields *stated* are known."""
    if isinstance(rule, Test):
        is_known = stated.issuperset(fields_of(rule))
        return is_known, is_known
    if isinstance(rule, Not):
        true, false = _truths(rule.rule, stated)
        return false, true
    parts = [_truths(part, stated) for part in rule.rules]
    for_true, for_false = (any, all) if isinstance(rule, Some) else (all, any)
    return for_true(true for true, _ in parts), for_false(false for _, false in parts)


def _about_members(config: Config, made: Policies, entries: tuple[LoadedIssuer, ...]) -> Iterator[str]:
    """Yield where the organization of users of *entries* is not certain: they may have left it."""
    uses: dict[str, list[tuple[Policy | None, str]]] = {}
    for entry in entries:
        if not PRESETS[entry.config.preset].has_members:
            continue
        joins = entry.store is not None and entry.store.joins_member
        if joins and entry.store is not None and entry.store.check == "always":
            continue
        for field in ("organization", "organization_role"):
            if field not in uses:
                uses[field] = [*_uses(field, config, made)]
        label = f"issuer {entry.config.name}"
        fix = "set sessions.check: always" if joins else "set sessions.postgres and sessions.check: always"
        when = " while the data cookie is valid" if joins else ""
        if places := _used_for(entry, uses["organization"]):
            yield (
                f"{label}: {places}: activeOrganizationId alone proves no membership{when}, because users keep it "
                f"after they leave the organization: {fix}"
            )
        if joins and (places := _used_for(entry, uses["organization_role"])):
            yield f"{label}: {places}: organization_role is unknown{when}: {fix}"


def _used_for(entry: LoadedIssuer, uses: list[tuple[Policy | None, str]]) -> str:
    """Return the first places of *uses* that are about users of *entry*, and how many more there are; "" if none."""
    places = [place for policy, place in uses if policy is None or accepts(policy, entry)]
    more = f" and {len(places) - _PLACES_SHOWN} more" if len(places) > _PLACES_SHOWN else ""
    return f"{', '.join(places[:_PLACES_SHOWN])}{more}"


def _uses(field: str, config: Config, made: Policies) -> Iterator[tuple[Policy | None, str]]:
    """Yield each header and each policy that counts on *field*, with the policy; None if it is about every policy."""
    yield from ((None, f"header {header}") for header, source in config.headers.items() if source == field)
    for policy in made.policies:
        own = {output.header for output in policy.outputs if output.source == field} - {*config.headers}
        yield from ((policy, f"header {header} of policy {policy.name}") for header in sorted(own))
        if _counts_on(policy, field):
            yield policy, f"policy {policy.name}"


def _counts_on(policy: Policy, field: str) -> bool:
    """Whether *policy* compares *field*. The organization is certain if a role in it is demanded too."""
    compared = {test.dimension for test in tests_of(policy.rule)} if policy.rule is not None else set()
    if field == "organization" and demands(policy.rule, lambda test: test.dimension == "organization_role"):
        return False
    return field in compared | path_fields(policy.match)
