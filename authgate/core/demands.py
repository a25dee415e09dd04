"""What an issuer demands of the claims of its JWTs, besides those that every JWT has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.core import values
from authgate.core.claim_paths import find, parse, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from authgate.core.claim_paths import ClaimPath

# The claims in which issuers name the client that a token was issued to.
CLIENT_CLAIMS = ("client_id", "azp", "appid", "cid")
# In an issuer template, this stands for the value of the tenant's claim.
TENANT = "{tenant}"


class Form(NamedTuple):
    """The *pattern* that a whole text matches, and what such a text is, in *words*."""

    pattern: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The values that a claim must have.

    The claim is at one of *paths*: issuers name the client in `azp`, `appid` or `client_id`. Every one of them that is
    present must have one of *accepted*, types included, or be a text of the form *form*; a list passes if it holds one
    of *accepted*. If *accepted* is None, any value passes. If nothing is accepted, a token must not have the claim. One
    of *paths* must be present, unless the demand is *optional*. An optional demand does not apply to tokens with the
    claim *unless*. With *audiences*, the demand is about tokens for one of them alone.

    *setting* is what an operator can change: `require_claims`, `clients`, or the preset, which "" stands for. A demand
    that is *fixed* counts also if `require_claims` names its claim.
    """

    paths: tuple[ClaimPath, ...]
    accepted: tuple[object, ...] | None
    setting: str = ""
    form: Form | None = None
    optional: bool = False
    unless: ClaimPath | None = None
    audiences: tuple[str, ...] = ()
    fixed: bool = False
    names_client: bool = False

    @property
    def label(self) -> str:
        """The claims of this demand, for people: "azp or appid"."""
        return " or ".join(map(written, self.paths))

    @property
    def in_words(self) -> str:
        """What a token must have, for people: `azp or appid "tasks-web"`."""
        if self.forbids:
            return f"no {self.label}"
        values = "" if self.accepted is None else f" {' or '.join(self.choices)}"
        when = f"if it has no {written(self.unless)}" if self.unless else f"if it has {self.label}"
        only = f", {when}" if self.optional else ""
        some = f", in tokens for {' or '.join(self.audiences)}" if self.audiences else ""
        return f"{self.label}{values}{only}{some}"

    @property
    def choices(self) -> list[str]:
        """What is accepted, for people."""
        return [*map(json.dumps, self.accepted or ()), *([self.form.words] if self.form else [])]

    @property
    def forbids(self) -> bool:
        """Whether a token must not have such a claim."""
        return self.accepted == () and self.form is None

    def concerns(self, audiences: frozenset[str]) -> bool:
        """Whether the demand is about a token for *audiences*."""
        return not self.audiences or not audiences.isdisjoint(self.audiences)

    def is_plainly_met(self, payload: Mapping[str, Any]) -> bool:
        """Whether each claim is absent, or a text that is accepted as it is. If not, the demand may be met still."""
        if self.unless is not None:
            return False
        is_met = self.optional
        for path in self.paths:
            value = payload.get(path[0]) if len(path) == 1 else find(payload, path)
            if value is None:
                continue
            if type(value) is not str or not value or (self.accepted is not None and value not in self.accepted):
                return False
            is_met = True
        return is_met

    def present(self, payload: Mapping[str, Any]) -> Iterator[tuple[ClaimPath, Any]]:
        """Yield the claims of *payload* that this demand is about, with their paths."""
        if self.unless is not None and not values.is_absent(find(payload, self.unless)):
            return
        for path in self.paths:
            value = find(payload, path)
            if not values.is_absent(value):
                yield path, value

    def accepts(self, value: object) -> bool:
        """Whether a claim may have this *value*."""
        if self.accepted is None:
            return True
        if self.form is not None and isinstance(value, str) and re.fullmatch(self.form.pattern, value):
            return True
        scalars = (one for one in (value if isinstance(value, list) else [value]) if values.kind(one) != "other")
        return not {values.key(one) for one in scalars}.isdisjoint(map(values.key, self.accepted))


def has(*paths: str, accepted: Sequence[object] | None = None) -> Demand:
    """Return the demand that a claim at one of the written *paths* is present, with one of the *accepted* values."""
    values = None if accepted is None else tuple(accepted)
    return Demand(paths=tuple(map(parse, paths)), accepted=values)


def may_have(path: str, accepted: Sequence[object]) -> Demand:
    """Return the demand that the claim at the written *path*, if it is present, has one of the *accepted* values."""
    return Demand(paths=(parse(path),), accepted=tuple(accepted), optional=True)


def lacks(path: str) -> Demand:
    """Return the demand that there is no claim at the written *path*."""
    return Demand(paths=(parse(path),), accepted=(), optional=True)


def lists(
    setting: str, *paths: str, accepted: Sequence[object], optional: bool = False, names_client: bool = False
) -> Demand:
    """Return the demand that a claim at one of the written *paths* has a value that the operator lists in *setting*."""
    return Demand(
        paths=tuple(map(parse, paths)),
        accepted=tuple(accepted),
        setting=setting,
        optional=optional,
        fixed=True,
        names_client=names_client,
    )


def all_in_words(demands: Iterable[Demand]) -> str:
    """Return *demands* for people, with what a token must not have at the end: `typ "Bearer"; no cnf`."""
    return "; ".join(demand.in_words for demand in sorted(demands, key=lambda demand: demand.forbids))


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantIssuers:
    """The `iss` of an issuer with many tenants. Each of *templates* has `{tenant}` where the claim *claim* belongs.

    *key_placeholder* replaces the tenant in the member `issuer` of a key for all tenants. *accepts_any*: the tokens of
    every tenant are accepted.
    """

    claim: ClaimPath
    templates: tuple[str, ...]
    key_placeholder: str = TENANT
    accepts_any: bool = False

    def fit(self, iss: str) -> bool:
        """Whether *iss* is made from one of the templates, for any tenant."""
        return any(_fits(template, iss) for template in self.templates)

    def of(self, tenant: str) -> frozenset[str]:
        """Return every `iss` that tokens of *tenant* may have."""
        return frozenset(template.replace(TENANT, tenant) for template in self.templates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is particular to the tokens of an issuer.

    *tenants* makes the `iss` of an issuer with many tenants. *flags* are fields that are true if a claim has one
    certain value: (field, claim, value). A token that has nothing about one of the fields *no_if_absent* says no. Only
    access tokens have the claims *access_marks*; they may have a `nonce`, too.
    """

    tenants: TenantIssuers | None = None
    flags: tuple[tuple[str, ClaimPath, str], ...] = ()
    no_if_absent: tuple[str, ...] = ()
    access_marks: tuple[ClaimPath, ...] = ()


NO_TRAITS = Traits()


def _fits(template: str, iss: str) -> bool:
    before, _, after = template.partition(TENANT)
    tenant = iss.removeprefix(before).removesuffix(after)
    return bool(tenant) and "/" not in tenant and iss == f"{before}{tenant}{after}"
