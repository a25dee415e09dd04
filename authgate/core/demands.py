"""What an issuer demands of the claims of its JWTs, besides those that every JWT has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.core import values
from authgate.core.claim_paths import find, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authgate.core.claim_paths import ClaimPath

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
    present must have one of *accepted*, types included; a list passes if it holds one. One of them must be present,
    unless the demand is *optional*. *accepted* is None if any value will do, and empty if there must be none. A text of
    the form *form* passes, too. An optional demand does not apply to tokens with the claim *unless*. *setting* is what
    an operator can change: `require_claims`, `clients`, or the preset. With *audiences*, the demand is about tokens for
    one of them alone.
    """

    paths: tuple[ClaimPath, ...]
    accepted: tuple[object, ...] | None
    setting: str
    optional: bool = False
    names_client: bool = False
    form: Form | None = None
    unless: ClaimPath | None = None
    audiences: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The claims of this demand, for people: "azp or appid"."""
        return " or ".join(map(written, self.paths))

    @property
    def in_words(self) -> str:
        """The demand for people: "azp or appid: tasks-web"."""
        if self.forbids:
            return f"no {self.label}"
        wanted = "any value" if self.accepted is None else " or ".join(self.choices)
        excused = f", unless it has {written(self.unless)}" if self.unless else ""
        some = f" in tokens for {' or '.join(self.audiences)}" if self.audiences else ""
        return f"{self.label}: {wanted}{', or absent' if self.optional else ''}{excused}{some}"

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


def all_in_words(demands: Iterable[Demand]) -> str:
    """Return *demands* for people, with what a token must not have at the end: "typ: "Bearer"; no cnf"."""
    return "; ".join(demand.in_words for demand in sorted(demands, key=lambda demand: demand.forbids))


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantIssuers:
    """The `iss` of an issuer with many tenants. Each of *templates* has `{tenant}` where the claim *claim* belongs."""

    claim: ClaimPath
    templates: tuple[str, ...]

    def fit(self, iss: str) -> bool:
        """Whether *iss* is made from one of the templates, for any tenant."""
        return any(_fits(template, iss) for template in self.templates)

    def of(self, tenant: str) -> frozenset[str]:
        """Return every `iss` that tokens of *tenant* may have."""
        return frozenset(template.replace(TENANT, tenant) for template in self.templates)


def _fits(template: str, iss: str) -> bool:
    before, _, after = template.partition(TENANT)
    tenant = iss.removeprefix(before).removesuffix(after)
    return bool(tenant) and "/" not in tenant and iss == f"{before}{tenant}{after}"
