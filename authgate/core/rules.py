"""Rules: what a policy demands of an identity. Each is true, false or unknown, and only true passes.

A rule is data: a `Test` names its dimension, its operator and what it expects. `DIMENSIONS` has one matcher for each
dimension. It returns the truth with the two values that it compared, so `explain` can show them. A matcher never
raises, whatever a claim holds.

Unknown (None) is what a credential says nothing about, or says in a form that cannot be read. It stays unknown under
`not` and `none_of`, and under `any` without a true branch (Kleene's three-valued logic).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from authgate.core import claim_paths
from authgate.core.claim_paths import CLAIMS
from authgate.core.paths import fold
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.values import key, kind

if TYPE_CHECKING:
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.identity import Identity
    from authgate.core.request import IPAddress

Truth: TypeAlias = bool | None

LIST_OPERATORS = ("any_of", "all_of", "none_of")

# A host name in lower case, as a mail domain. Internationalized names are written as xn--….
MAIL_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_ADDRESS = re.compile(rf"[^@\s\x00-\x1f\x7f-\x9f]+@(?P<domain>{MAIL_DOMAIN.pattern})")


@quick_dataclass(frozen=True, slots=True)
class Facts:
    """What rules are about. *now* is in Unix seconds; *client_ip* is None if the proxy does not send it."""

    identity: Identity
    now: float
    client_ip: IPAddress | None
    leeway_seconds: float = 0.0


# The truth of one test, and the actual value that it compared with the expected one: a tuple for a list, None for none.
Judgment: TypeAlias = tuple[Truth, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One comparison. *dimension* is a name in DIMENSIONS, or `claims.<path>`; *operator* is one of its operators.

    *expected* is what the operator compares with: a tuple of values or networks, a boolean, or seconds.
    """

    dimension: str
    operator: str
    expected: Any
    keys: frozenset[object] = field(init=False, repr=False, compare=False)
    kinds: frozenset[str] = field(init=False, repr=False, compare=False)
    path: ClaimPath = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep what each request needs: what values are compared by, their kinds, and the path of the claim, if any."""
        is_claim = self.dimension.startswith(CLAIMS)
        path = claim_paths.parse(self.dimension.removeprefix(CLAIMS)) if is_claim else ()
        object.__setattr__(self, "path", path)
        values = self.expected if self.operator in LIST_OPERATORS else ()
        object.__setattr__(self, "keys", frozenset(map(key, values)))
        object.__setattr__(self, "kinds", frozenset(map(kind, values)))

    @property
    def name(self) -> str:
        """The test as the configuration spells it: "roles.any_of"."""
        return f"{self.dimension}.{self.operator}" if self.operator else self.dimension


@dataclass(frozen=True, slots=True)
class Every:
    """True if all *rules* are true (`all`, and several keys in one mapping)."""

    rules: tuple[Rule, ...]
    name: str = "all"


@dataclass(frozen=True, slots=True)
class Some:
    """True if at least one of *rules* is true (`any`)."""

    rules: tuple[Rule, ...]
    name: str = "any"


@dataclass(frozen=True, slots=True)
class Not:
    """True if *rule* is false, false if it is true."""

    rule: Rule
    name: str = "not"


Rule: TypeAlias = Test | Every | Some | Not


@quick_dataclass(frozen=True, slots=True)
class Finding:
    """The truth of *rule*. A test has the *actual* value, a combination has the findings of its *parts*."""

    rule: Rule
    truth: Truth
    actual: object = None
    parts: tuple[Finding, ...] = ()

    def failed(self) -> Finding:
        """Return the innermost finding that keeps this one from being true."""
        if isinstance(self.rule, Every):
            return next((part.failed() for part in self.parts if part.truth is not True), self)
        return self


def judge(rule: Rule, facts: Facts) -> Finding:
    """Return whether *rule* is true of *facts*, with what each of its tests compared. Never raises."""
    if isinstance(rule, Test):
        truth, actual = compare(rule, facts)
        return Finding(rule, truth, actual)
    if isinstance(rule, Not):
        part = judge(rule.rule, facts)
        return Finding(rule, None if part.truth is None else not part.truth, parts=(part,))
    decisive = isinstance(rule, Some)  # one true branch decides `any`, one false branch decides `all`
    truth = not decisive
    parts = []
    for each in rule.rules:
        part = judge(each, facts)
        parts.append(part)
        if part.truth is decisive or (part.truth is None and truth is not decisive):
            truth = part.truth
    return Finding(rule, truth, None, tuple(parts))


def compare(test: Test, facts: Facts) -> Judgment:
    """Return whether *test* is true of *facts*, and the value that it compared. Never raises."""
    matcher = _claim if test.path else DIMENSIONS[test.dimension].matcher
    return matcher(facts, test)


# Matchers: one for each dimension. To add one, write it here and add its row to DIMENSIONS.


def _list(facts: Facts, test: Test) -> Judgment:
    """Compare a field that holds texts: a list, or one text, which counts as a list of one. Absent is empty."""
    value = getattr(facts.identity, test.dimension)
    if test.dimension in facts.identity.unknown:
        return None, None
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    return _compare(values, test), values


def _claim(facts: Facts, test: Test) -> Judgment:
    """Compare a claim: a list of scalars, or one, which counts as a list of one. An absent claim is an empty list."""
    value = facts.identity.claim(test.path, ABSENT)
    if value is ABSENT:
        return _compare((), test), ()
    values = tuple(value) if isinstance(value, list) else (value,)
    if {*map(type, values)} <= _TEXT:  # nearly always; each text is its own key
        kinds, keys = _TEXT_KINDS, values
    else:
        kinds, keys = {*map(kind, values)}, tuple(map(key, values))
    # 1 is not true and "5" is not 5: a claim that has a type that the rule does not expect says nothing.
    if values and not test.kinds.issuperset(kinds):
        return None, value
    return _compare(keys, test), values


_TEXT = {str}
_TEXT_KINDS = {kind("")}


class _Absent(Enum):
    ABSENT = "absent"


ABSENT = _Absent.ABSENT


def _compare(given: tuple[object, ...], test: Test) -> bool:
    if test.operator == "all_of":
        return test.keys.issubset(given)
    return test.keys.isdisjoint(given) is (test.operator == "none_of")


def _email(facts: Facts, test: Test) -> Judgment:
    """Compare the domain of the e-mail address. An address that is absent, malformed or unverified says nothing."""
    email, is_verified = facts.identity.email, facts.identity.email_verified
    domains, must_be_verified = test.expected
    if email is None or "email" in facts.identity.unknown:
        return None, None
    if must_be_verified and is_verified is not True:
        return None, f"{email} (not verified)"
    address = _ADDRESS.fullmatch(fold(email))
    if address is None:
        return None, email
    return not domains or address["domain"] in domains, email


# The field of the identity that has each state of a session.
SESSION_FIELDS = {"impersonated": "impersonated_by", "anonymous": "is_anonymous", "banned": "is_banned"}


def _session(facts: Facts, test: Test) -> Judgment:
    """Compare the state of the session or of its user: impersonated, anonymous or banned."""
    identity = facts.identity
    field = SESSION_FIELDS[test.operator]
    if field in identity.unknown:
        return None, None
    state = identity.is_banned_at(facts.now) if field == "is_banned" else getattr(identity, field) not in {None, False}
    return state is test.expected, state


def _client(facts: Facts, test: Test) -> Judgment:
    """Whether the client's address is in one of the networks."""
    address = facts.client_ip
    return None if address is None else any(address in network for network in test.expected), address


def _age(facts: Facts, test: Test) -> Judgment:
    """Whether the sign-in, or the token, is at most so many seconds old. A time in the future says nothing."""
    since = getattr(facts.identity, _AGE_OF[test.dimension])
    if since is None or not since <= facts.now + facts.leeway_seconds:
        return None, None
    age = max(0.0, facts.now - since)
    return age <= test.expected, age


_AGE_OF = {"authenticated_within_seconds": "authenticated_at", "token_age_seconds": "issued_at"}

Matcher: TypeAlias = Callable[[Facts, Test], Judgment]


class Operand(Enum):
    """What a dimension takes in the configuration. config/rule_model.py has the settings of each."""

    LIST = "list"
    SCOPES = "scopes"
    EMAIL = "email"
    SESSION = "session"
    NETWORKS = "networks"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One thing that rules can be about. *fields* are the fields of the identity that it reads. *text* is for docs."""

    operand: Operand
    matcher: Matcher
    fields: tuple[str, ...]
    text: str


def _of_list(field: str, text: str, operand: Operand = Operand.LIST) -> Dimension:
    return Dimension(operand=operand, matcher=_list, fields=(field,), text=text)


# Besides these, `claims.<path>` compares any claim.
DIMENSIONS: Mapping[str, Dimension] = {
    "roles": _of_list("roles", "The user's roles."),
    "scopes": _of_list("scopes", "The token's scopes.", Operand.SCOPES),
    "issuer": _of_list("issuer", "The name of the issuer in this configuration."),
    "subject": _of_list("subject", "The user's id."),
    "organization": _of_list("organization", "The id of the user's active organization."),
    "organization_role": _of_list("organization_role", "The user's roles in the active organization."),
    "acr": _of_list("acr", "How the user signed in, as the issuer classifies it (claim `acr`)."),
    "amr": _of_list("amr", "How the user signed in: the methods (claim `amr`, RFC 8176)."),
    "email": Dimension(
        operand=Operand.EMAIL, matcher=_email, fields=("email",), text="The domain of the user's e-mail address."
    ),
    "session": Dimension(
        operand=Operand.SESSION,
        matcher=_session,
        fields=tuple(SESSION_FIELDS.values()),
        text="The state of the session and of its user.",
    ),
    "client": Dimension(operand=Operand.NETWORKS, matcher=_client, fields=(), text="Addresses and subnets of clients."),
    "authenticated_within_seconds": Dimension(
        operand=Operand.SECONDS,
        matcher=_age,
        fields=("authenticated_at",),
        text="How long ago the user may have signed in, at most.",
    ),
    "token_age_seconds": Dimension(
        operand=Operand.SECONDS, matcher=_age, fields=("issued_at",), text="How old the token may be, at most."
    ),
}
