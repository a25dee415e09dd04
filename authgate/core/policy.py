"""One policy: the requests that it is about, and what they must satisfy. MATCHERS decide, also for `explain`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from authgate.core.cors import NO_CORS
from authgate.core.errors import Refused
from authgate.core.identity import TOKEN_FIELDS
from authgate.core.outputs import identity_headers
from authgate.core.paths import Field, Path
from authgate.core.rules import SESSION_FIELDS
from authgate.core.user_id import HEADER as USER_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from authgate.core.cors import CorsRule
    from authgate.core.credential import CredentialPlace
    from authgate.core.csrf import CsrfRule
    from authgate.core.header_lines import HeaderLines
    from authgate.core.outputs import Output
    from authgate.core.paths import PathPattern
    from authgate.core.reasons import Reason
    from authgate.core.request import Request
    from authgate.core.rules import Rule, Test
    from authgate.core.sign_in import SignIn


class Access(StrEnum):
    """What a policy asks of a request."""

    PUBLIC = "public"
    """Nothing: no credential is read, and every request is anonymous."""
    OPTIONAL = "optional"
    """A good credential or none. Without one, with an expired one or after the session's end, it is anonymous."""
    REQUIRE = "require"
    """A signed-in user, and the policy's rule is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The requests that a policy is about. An empty dimension matches every request.

    *hosts* are in lower case; "*.example.com" stands for one or more labels before the rest. *methods* are in upper
    case, and GET comes with HEAD. *exactly*: case and a trailing slash of the path count.
    """

    hosts: tuple[str, ...] = ()
    paths: tuple[PathPattern, ...] = ()
    methods: frozenset[str] = frozenset()
    clients: tuple[IPv4Network | IPv6Network, ...] = ()
    exactly: bool = False
    _matchers: tuple[tuple[str, Matcher], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Choose the matchers of the dimensions that this match has."""
        chosen = tuple((name, matcher) for name, matcher in MATCHERS.items() if getattr(self, name))
        object.__setattr__(self, "_matchers", chosen)

    def compare(self, request: Request, path: Path | None) -> tuple[Comparison, ...]:
        """Return the comparison of each dimension that this match has."""
        return tuple(
            Comparison(name, getattr(self, name), *matcher(self, request, path)) for name, matcher in self._matchers
        )

    def fits(self, request: Request, path: Path | None) -> bool | None:
        """Whether every dimension fits. None if all others do and the client's address, which counts, is unknown."""
        for _, matcher in self._matchers:
            if (fits := matcher(self, request, path)[0]) is not True:
                return fits
        return True


class Comparison(NamedTuple):
    """One dimension of a match: what the policy has (*expected*), whether the request fits, and what it has."""

    dimension: str
    expected: object
    fits: bool | None
    actual: object


def _host(match: Match, request: Request, _path: Path | None) -> tuple[bool, object]:
    asked = request.host
    for host in match.hosts:
        if asked == host or (host.startswith("*.") and asked.endswith(host[1:])):
            return True, asked
    return False, asked


def _method(match: Match, request: Request, _path: Path | None) -> tuple[bool, object]:
    return request.method in match.methods, request.method


def _path(match: Match, request: Request, path: Path | None) -> tuple[bool, object]:
    if path is not None:
        for pattern in match.paths:
            if pattern.matches(path, exactly=match.exactly):
                return True, request.path
    return False, request.path


def _client(match: Match, request: Request, _path: Path | None) -> tuple[bool | None, object]:
    address = request.client_ip
    return None if address is None else any(address in network for network in match.clients), address


Matcher: TypeAlias = "Callable[[Match, Request, Path | None], tuple[bool | None, object]]"

# To add a dimension, add its field to `Match`, its matcher and a row here. The client comes last: see `Match.fits`.
MATCHERS: Mapping[str, Matcher] = {"hosts": _host, "methods": _method, "paths": _path, "clients": _client}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRule:
    """Refuse users of *issuers* for *reason* if *test* is true. Presets switch such rules on."""

    reason: Reason
    test: Test
    issuers: frozenset[str]
    field: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the field of the identity without which *test* is not true; "" if there is none."""
        is_state = self.test.dimension == "session" and self.test.expected is True
        object.__setattr__(self, "field", SESSION_FIELDS[self.test.operator] if is_state else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a request must satisfy, and the headers that it gets.

    *rule* is about the signed-in user; None demands nothing more. *issuers* None accepts every configured issuer.
    *outputs* are the headers of all policies; those of another policy have no source and are empty. *user_id* is the
    one that carries the user's id. *looks_at_users*: a user who is known can be refused. *fields* are the fields of the
    identity that headers come from. *of_person* are the headers about the user, not about the token: two cookies of one
    user agree in them. *anonymous_headers* are all of them without a value; None if they are too long for a reply.
    *sign_in* is where browsers sign in, None if they are not redirected.
    """

    name: str
    match: Match = Match()
    access: Access = Access.REQUIRE
    rule: Rule | None = None
    account_rules: tuple[AccountRule, ...] = ()
    issuers: frozenset[str] | None = None
    places: tuple[CredentialPlace, ...] = ()
    outputs: tuple[Output, ...] = ()
    csrf: CsrfRule | None = None
    cors: CorsRule = NO_CORS
    sign_in: SignIn | None = None
    has_segment_fields: bool = field(init=False)
    has_demands: bool = field(init=False)
    looks_at_users: bool = field(init=False)
    user_id: Output | None = field(init=False)
    fields: frozenset[str] = field(init=False)
    of_person: tuple[Output, ...] = field(init=False)
    anonymous_headers: HeaderLines | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find out what each request needs: whether anything is asked of the user, and where headers come from."""
        has_fields = any(isinstance(part, Field) for pattern in self.match.paths for part in pattern.segments)
        object.__setattr__(self, "has_segment_fields", has_fields)
        has_demands = bool(self.account_rules or self.rule or has_fields) or self.issuers is not None
        object.__setattr__(self, "has_demands", has_demands)
        mapped = [output for output in self.outputs if output.source is not None]
        object.__setattr__(
            self, "user_id", next((output for output in mapped if output.header.lower() == USER_ID), None)
        )
        looks_at_users = has_demands or (self.user_id is not None and self.user_id.source != "subject")
        object.__setattr__(self, "looks_at_users", looks_at_users)
        object.__setattr__(self, "anonymous_headers", _anonymous_headers(self.outputs))
        of_person = tuple(output for output in mapped if output.source not in TOKEN_FIELDS or output is self.user_id)
        object.__setattr__(self, "of_person", of_person)
        object.__setattr__(self, "fields", frozenset(output.source for output in mapped if output.path is None))

    def segment_fields(self, path: Path) -> Iterator[tuple[str, str]]:
        """Yield each field of the first pattern that matches *path*, with the segment that it stands for."""
        for pattern in self.match.paths:
            if pattern.matches(path, exactly=self.match.exactly):
                yield from pattern.fields(path)
                return


def _anonymous_headers(outputs: tuple[Output, ...]) -> HeaderLines | None:
    try:
        return identity_headers(None, outputs)
    except Refused:
        return None
