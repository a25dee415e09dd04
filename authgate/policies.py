"""Make the policies of a configuration, from its settings and the defaults of presets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from authgate.config.rule_model import make_rule
from authgate.core.cors import CorsRule
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.csrf import CsrfRule
from authgate.core.outputs import Output
from authgate.core.pages import Look
from authgate.core.paths import Field, PathReading, parse_pattern
from authgate.core.policies import Policies
from authgate.core.policy import Access, AccountRule, Match, Policy
from authgate.core.reasons import Reason
from authgate.core.refusals import Refusals
from authgate.core.rules import DIMENSIONS, SESSION_FIELDS, Every, Not, Some, Test
from authgate.presets import PRESETS
from authgate.sign_in_pages import make_sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from authgate.config.model import Config
    from authgate.config.policy_model import CredentialConfig, CsrfConfig, MatchConfig, PathsConfig, PolicyConfig
    from authgate.config.refusal_model import CorsConfig
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.credential import CredentialPlace
    from authgate.core.rules import Rule
    from authgate.presets.preset import LoadedIssuer

# The policy of a configuration that has none: every request needs a signed-in user.
DEFAULT_NAME = "default"
# In messages.
_NAMED_AT_MOST = 3


def make_policies(config: Config, entries: tuple[LoadedIssuer, ...]) -> Policies:
    """Return the policies of *config*. *entries* are its issuers with the defaults of their presets."""
    default = Policy(
        name=DEFAULT_NAME,
        account_rules=_account_rules(entries),
        places=_places(config, entries),
        outputs=_outputs(header_names(config), config.headers),
        csrf=_csrf(config.csrf),
        cors=make_cors(config.cors),
        sign_in=make_sign_in(config, entries, config.login_url, make_reading(config.paths).data),
    )
    if config.policies is None:
        return Policies(policies=(default,))
    policies = [_policy(config, policy, default, entries) for policy in config.policies]
    # One tuple for all that are equal: `CachedProof` compares them with `is`.
    outputs = {policy.outputs: policy.outputs for policy in policies}
    policies = [replace(policy, outputs=outputs[policy.outputs]) for policy in policies]
    return Policies(policies=tuple(policies), reading=make_reading(config.paths))


def _policy(config: Config, policy: PolicyConfig, default: Policy, entries: tuple[LoadedIssuer, ...]) -> Policy:
    """Return the policy of the settings *policy*. What it does not set is as in *default*."""
    access = Access.PUBLIC if policy.public else Access.OPTIONAL if policy.optional else Access.REQUIRE
    rules = policy.require
    return Policy(
        name=policy.name,
        match=_match(policy.match, exactly=access is not Access.REQUIRE),
        access=access,
        rule=make_rule(rules) if rules is not None and rules.model_fields_set else None,
        account_rules=default.account_rules,
        issuers=None if policy.issuers is None else frozenset(policy.issuers),
        places=default.places if policy.credentials is None else tuple(_listed(policy.credentials, entries)),
        outputs=_outputs([output.header for output in default.outputs], config.headers | policy.headers),
        csrf=default.csrf if policy.csrf is None else _csrf(policy.csrf),
        cors=default.cors if policy.cors is None else make_cors(policy.cors),
        sign_in=(
            make_sign_in(config, entries, policy.login_url, make_reading(config.paths).data)
            if "login_url" in policy.model_fields_set
            else default.sign_in
        ),
    )


def header_names(config: Config) -> tuple[str, ...]:
    """Return the names of all headers that a reply may have, each once: those at the top, then those of policies."""
    own = (name for policy in config.policies or () for name in policy.headers)
    return tuple(dict.fromkeys((*config.headers, *own)))


def reserved_names(config: Config) -> tuple[str, ...]:
    """Return the names that clients may not send: `header_names`, and the default names, which services still read."""
    return tuple(dict.fromkeys((*header_names(config), *type(config).model_fields["headers"].default)))


def named_fields(policies: Policies) -> frozenset[str]:
    """Return the fields of the identity that the rules, path patterns and headers of *policies* name.

    A header may also name `claims.<path>`.
    """
    named = set()
    for policy in policies.policies:
        named |= {output.source for output in policy.outputs if output.source is not None}
        named |= path_fields(policy.match)
        for test in tests_of(policy.rule) if policy.rule is not None else ():
            named |= {*fields_of(test)}
    return frozenset(named)


def named_claims(policies: Policies) -> frozenset[ClaimPath]:
    """Return the claims that the rules and headers of *policies* name. Nothing else reads one after it is verified."""
    named = set()
    for policy in policies.policies:
        named |= {output.path for output in policy.outputs if output.path is not None}
        named |= {test.path for test in tests_of(policy.rule) if test.path} if policy.rule is not None else set()
    return frozenset(named)


def tests_of(rule: Rule) -> Iterator[Test]:
    """Yield every test in *rule*."""
    if isinstance(rule, Test):
        yield rule
        return
    for part in (rule.rule,) if isinstance(rule, Not) else rule.rules:
        yield from tests_of(part)


def demands(rule: Rule | None, fits: Callable[[Test], bool]) -> bool:
    """Whether every user who passes *rule* passes a test that *fits*."""
    if isinstance(rule, Every):
        return any(demands(part, fits) for part in rule.rules)
    if isinstance(rule, Some):
        return all(demands(part, fits) for part in rule.rules)
    return isinstance(rule, Test) and fits(rule)


def accepts(policy: Policy, entry: LoadedIssuer) -> bool:
    """Whether *policy* is for users, and among them those of the issuer *entry*."""
    is_for_users = policy.access is not Access.PUBLIC
    return is_for_users and (policy.issuers is None or entry.config.name in policy.issuers)


def in_words(policies: Sequence[Policy]) -> str:
    """Return "policy a" or "policies a, b": the names of the first *policies*, and how many more there are."""
    names = [policy.name for policy in policies[:_NAMED_AT_MOST]]
    more = len(policies) - len(names)
    return f"{'policy' if len(policies) == 1 else 'policies'} {', '.join(names)}{f' and {more} more' if more else ''}"


class Acceptance:
    """Which issuers each policy accepts, in the order of the configuration. Policies of the same list share a tuple.

    So looking at all policies takes time that grows with what they name, not with policies times issuers.
    """

    def __init__(self, entries: tuple[LoadedIssuer, ...]) -> None:
        self._entries = entries
        self._positions = {entry.config.name: position for position, entry in enumerate(entries)}
        self._by_names: dict[frozenset[str] | None, tuple[LoadedIssuer, ...]] = {None: entries}

    def of(self, policy: Policy) -> tuple[LoadedIssuer, ...]:
        """Return the issuers whose users *policy* accepts; none if it is public."""
        if policy.access is Access.PUBLIC:
            return ()
        names = policy.issuers
        if names is not None and names not in self._by_names:
            positions = sorted(self._positions[name] for name in names if name in self._positions)
            self._by_names[names] = tuple(self._entries[position] for position in positions)
        return self._by_names[names]


def fields_of(test: Test) -> tuple[str, ...]:
    """Return the fields of the identity that *test* compares; none if it is about a claim or the client."""
    if test.dimension == "session":
        return (SESSION_FIELDS[test.operator],)
    return DIMENSIONS[test.dimension].fields if test.dimension in DIMENSIONS else ()


def path_fields(match: Match) -> frozenset[str]:
    """Return the fields of the identity that the path patterns of *match* name."""
    segments = (segment for pattern in match.paths for segment in pattern.segments)
    return frozenset(segment.name for segment in segments if isinstance(segment, Field))


def _outputs(names: Iterable[str], sources: Mapping[str, str]) -> tuple[Output, ...]:
    """Return the headers called *names* with their *sources*. Those that only other policies have are without one."""
    return tuple(Output(header=name, source=sources.get(name)) for name in names)


def _match(match: MatchConfig, *, exactly: bool) -> Match:
    methods = frozenset(match.methods)
    return Match(
        hosts=tuple(match.host),
        paths=tuple(parse_pattern(text) for text in match.path),
        methods=methods | {"HEAD"} if "GET" in methods else methods,
        clients=tuple(match.client),
        exactly=exactly,
    )


def make_reading(paths: PathsConfig) -> PathReading:
    """Return how to read paths by the settings *paths*."""
    return PathReading(encoded_slash_is_data=paths.encoded_slash == "data", semicolon_is_data=paths.semicolon == "data")


def _csrf(csrf: CsrfConfig) -> CsrfRule | None:
    return CsrfRule(allowed_origins=frozenset(csrf.allowed_origins)) if csrf.mode == "enforce" else None


def make_refusals(config: Config) -> Refusals:
    """Return what refusals of *config* have in common: the look of pages, and the global CORS rule."""
    page = config.page
    look = Look(title=page.title or "", color=page.colour or "", contact=page.contact or "")
    return Refusals(look=look, cors=make_cors(config.cors))


def make_cors(cors: CorsConfig) -> CorsRule:
    """Return the rule of the settings *cors*."""
    return CorsRule(allowed_origins=frozenset(cors.allowed_origins))


def _account_rules(entries: Iterable[LoadedIssuer]) -> tuple[AccountRule, ...]:
    """Return the rules about accounts that the presets of *entries* switch on."""
    rules = []
    for state, reason in (("banned", Reason.BANNED_USER), ("anonymous", Reason.ANONYMOUS_USER)):
        issuers = frozenset(entry.config.name for entry in entries if state in _refused_accounts(entry))
        if issuers:
            test = Test(dimension="session", operator=state, expected=True)
            rules.append(AccountRule(reason=reason, test=test, issuers=issuers))
    return tuple(rules)


def _places(config: Config, entries: tuple[LoadedIssuer, ...]) -> tuple[CredentialPlace, ...]:
    """Return the places to search for credentials, in order: those of `credentials`, then the issuers' own.

    If `credentials` names an issuer's own places, it says where they come, and no others are read. If it is not set,
    they come before the default cookie `access_token`: other applications use that name, too, and the first place with
    a value decides. It is not searched if all issuers have sessions. If all have a header of their own, what clients
    write in Authorization is for the service behind: it comes last.
    """
    listed = tuple(_listed(config.credentials, entries))
    own = tuple(dict.fromkeys(place for entry in entries for place in own_places(entry)))
    if any(place.session is not None for place in config.credentials):
        return listed
    if "credentials" in config.model_fields_set or not own:
        return (*listed, *own)
    header, *cookies = listed
    if all(any(isinstance(place, HeaderPlace) for place in own_places(entry)) for entry in entries):
        return (*own, header)
    has_jwts = any(entry.sessions is None for entry in entries)
    return (header, *own, *(cookies if has_jwts else ()))


def _listed(places: Iterable[CredentialConfig], entries: tuple[LoadedIssuer, ...]) -> Iterator[CredentialPlace]:
    for place in places:
        if place.header is not None:
            yield HeaderPlace(name=place.header)
        elif place.cookie is not None:
            yield CookiePlace(name=place.cookie)
        else:
            named = (entry for entry in entries if entry.config.name == place.session)
            yield from (own for entry in named for own in own_places(entry))


def own_places(entry: LoadedIssuer) -> tuple[CredentialPlace, ...]:
    """Return the cookies and headers that the issuer *entry* has of its own."""
    return PRESETS[entry.config.preset].places(entry.config)


def _refused_accounts(entry: LoadedIssuer) -> frozenset[str]:
    return PRESETS[entry.config.preset].refused_accounts(entry.config)
