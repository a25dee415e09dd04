"""What the presets of identity providers share. Each provider has its own file in `providers/`.

A provider's settings are those of preset `jwt`, and the few values that its users know: the URL of a realm, a tenant, a
project. `Facts` says what follows from these values. A setting of preset `jwt` that the operator writes replaces what
follows. In `identity` and `require_claims`, it replaces only the fields and claims that it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty, one_or_more
from authgate.config._yaml import in_one_line
from authgate.config.identity_model import IdentityConfig
from authgate.core.demands import NO_TRAITS, Demand, Traits, all_in_words, lacks
from authgate.core.errors import Problem
from authgate.core.urls import url_fault
from authgate.presets._mistaken import checked
from authgate.presets.jwt import SignedJwtSettings
from authgate.presets.preset import LoadedIssuer, Preset
from authgate.presets.settings import KEY_SETTINGS, TokenDemands, is_loopback
from authgate.tokens import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import ModelWrapValidatorHandler

    from authgate.core.credential import CredentialPlace
    from authgate.core.snapshot import Issuer
    from authgate.presets.other_kinds import OtherKind

T = TypeVar("T")
# One text, or a list of texts.
OneOrMore: TypeAlias = Annotated[list[T], one_or_more(str), Field(min_length=1, max_length=100)]
Texts: TypeAlias = OneOrMore[NonEmpty]

_HOST = re.compile(r"(?:localhost|(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))+)(?::\d{1,5})?")
_WELL_KNOWN = re.compile(r"/\.well-known/.*", re.DOTALL)


def host(check: Callable[[str], str] = str) -> AfterValidator:
    """Return a validator of host names that *check* takes. What its messages suggest to write is right, too."""

    def checked(text: str) -> str:
        name = text.lower()
        if _HOST.fullmatch(name):
            return check(name)
        alone = re.sub(r"^https?://|[/?#].*$", "", name)
        fix = f"write {check(alone)}" if _HOST.fullmatch(alone) else "write for example login.example.com"
        raise ValueError(f"{redacted(text)} is not a host name\n{fix}")

    return AfterValidator(checked)


def url(check: Callable[[str], str] = str) -> AfterValidator:
    """Return a validator of URLs that *check* takes. What its messages suggest to write is right, too."""

    def checked(text: str) -> str:
        if fault := url_fault(text, allow_http=True):
            whole = f"https://{text}"
            lacks_scheme = _HOST.fullmatch(text.partition("/")[0].lower()) and not url_fault(whole, allow_http=False)
            fix = f"write {check(whole)}" if lacks_scheme else "write it like https://login.example.com"
            raise ValueError(f"{redacted(text, 200)} {fault}\n{fix}")
        if _WELL_KNOWN.search(text):
            fix = f"write {check(_WELL_KNOWN.sub('', text))}"
            raise ValueError(f"{redacted(text, 200)} is the address of a document\n{fix}")
        if "?" in text:
            raise ValueError(f"{redacted(text, 200)} has a query\nremove it")
        return check(text.rstrip("/"))

    return AfterValidator(checked)


# A host name without a scheme, such as tenant.eu.auth0.com; made lower-case. A port may follow.
Host: TypeAlias = Annotated[str, host()]
# A URL, without the slashes at its end.
Url: TypeAlias = Annotated[str, url()]
# A text of digits. YAML reads digits without quotes as a number.
Digits: TypeAlias = Annotated[NonEmpty, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


def matching(pattern: str, what: str, fix: str) -> AfterValidator:
    """Return a validator of texts that match *pattern*. Messages are like "'x' is not *what*"; *fix* is what to do."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{redacted(text)} is not {what}\n{fix}")
        return text

    return AfterValidator(check)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What follows from a provider's settings. Claim paths are written as in the configuration.

    *issuer* is the `iss`, *also_iss* are further values. Keys are at *jwks_url*; None: at the address in the issuer's
    metadata. *fetching* has settings for fetching them there, such as `ca_file`, by name. *audiences* are the accepted
    values of `aud`, "any", or None if the operator must set them; *also_audiences* are accepted besides those that the
    operator lists. *identity* has the claims of fields. *demands* are what a token must have, besides no `cnf`, which
    binds it to a key that its sender has to show (RFC 7800), and AuthGate checks no such proof. *traits* are what is
    particular to the tokens. Users may write claims whose names match *user_claims*, with `*`. *other_kinds* are tokens
    that clients often send instead.
    """

    issuer: str
    also_iss: tuple[str, ...] = ()
    jwks_url: str | None = None
    fetching: Mapping[str, str] = field(default_factory=dict)
    audiences: Sequence[str] | str | None = None
    also_audiences: Sequence[str] = ()
    algorithms: Sequence[str] | None = None
    identity: Mapping[str, Sequence[str]] = field(default_factory=dict)
    demands: Sequence[Demand] = ()
    traits: Traits = NO_TRAITS
    user_claims: Sequence[str] = ()
    other_kinds: Sequence[OtherKind] = ()


class ProviderIssuer(SignedJwtSettings):
    """Tokens of an identity provider. All settings of preset jwt apply, and replace what follows from the others."""

    not_settings: ClassVar[dict[str, str]] = {"url": "remove it: docs/issuers has a page for each preset"}
    # The settings that `authgate init` asks for. All have examples.
    asks: ClassVar[tuple[str, ...]] = ()
    # Two settings of which an issuer needs one, the one that `authgate init` asks for first.
    alternatives: ClassVar[tuple[str, ...]] = ()

    # The claim of roles that people add, if the provider itself writes no roles.
    added_roles: ClassVar[str] = ""

    _written: frozenset[str] | None = PrivateAttr(default=None)
    _implied: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _with_ids(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return checked(cls, values, handler, cls.own_settings())

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        raise NotImplementedError

    @classmethod
    def own_settings(cls) -> frozenset[str]:
        """Return the settings that preset jwt does not have."""
        return frozenset(cls.model_fields.keys() - SignedJwtSettings.model_fields.keys())

    @classmethod
    def stand_ins(cls) -> dict[str, object]:
        """Return sound values of the settings that an issuer must have."""
        required = {name: info for name, info in cls.model_fields.items() if info.is_required()}
        return {name: info.examples[0] for name, info in required.items() if info.examples}

    @classmethod
    def spelled_out(cls, settings: Mapping[str, object]) -> Mapping[str, object]:  # noqa: ARG003 - for presets
        """Return the defaults that `authgate init` writes beside *settings*, so that people see them."""
        return {}

    def with_defaults(self) -> Self:
        """Return these settings with what follows from them."""
        facts = self.facts()
        implied: dict[str, object] = {"issuer": facts.issuer, "audiences": facts.audiences}
        implied["algorithms"] = facts.algorithms
        if self.keys_follow:
            implied |= {"discovery": True} if facts.jwks_url is None else {"jwks_url": facts.jwks_url, **facts.fetching}
            asked = facts.jwks_url or self.issuer or facts.issuer
            implied["allow_http"] = True if is_loopback(asked) else None
        implied = {name: value for name, value in implied.items() if value is not None and not self.is_written(name)}
        if isinstance(self.audiences, list) and facts.also_audiences:
            implied["audiences"] = list(dict.fromkeys((*self.audiences, *facts.also_audiences)))
        identity = self._merged_identity(facts.identity)
        copy = self.model_copy(update=implied | {"identity": identity})
        copy._written = frozenset(self.model_fields_set)  # noqa: SLF001 - of the same class
        copy._implied = implied | ({} if identity is None else {"identity": _paths(identity)})  # noqa: SLF001
        return copy

    def is_written(self, name: str) -> bool:
        """Whether the operator wrote the setting *name*. If not, its value follows from others, or is the default."""
        return name in (self.model_fields_set if self._written is None else self._written)

    @property
    def page(self) -> str:
        """The page about the preset."""
        return f"docs/issuers/{self.preset}.md"

    @property
    def keys_follow(self) -> bool:
        """Whether the keys are where other settings say: the operator wrote no other source of them."""
        jwks_url = self.facts().jwks_url
        follows = {"discovery": True} if jwks_url is None else {"jwks_url": jwks_url}
        return all(self.given(name) == follows.get(name) for name in KEY_SETTINGS if self.is_written(name))

    def _merged_identity(self, usual: Mapping[str, Sequence[str]]) -> IdentityConfig | None:
        given = {} if self.identity is None else self.identity.model_dump(exclude_unset=True)
        merged = {name: list(paths) for name, paths in usual.items()} | given
        address = list(usual.get("email", ["email"]))
        if given.get("email", address) != address and "email_verified" not in given:
            merged.pop("email_verified", None)  # it is about the preset's own address
        return IdentityConfig.model_validate(merged) if merged else None

    @property
    def implied(self) -> Mapping[str, Any]:
        """The settings of preset jwt that follow from the others, as a file has them. Right after `with_defaults`."""
        return self._implied

    @property
    def usual_ca_file(self) -> str | None:
        """The `ca_file` that follows from other settings. It need not be there before a fetch, which reads it."""
        return self.facts().fetching.get("ca_file")

    @property
    def also_iss(self) -> tuple[str, ...]:
        """Further values of `iss`, unless another `issuer` was written. Right only after `with_defaults`."""
        return tuple(iss for iss in self._every_iss() if iss != self.issuer)

    def _every_iss(self) -> tuple[str, ...]:
        """Return every `iss` that follows; none if the operator wrote another one."""
        facts = self.facts()
        every = (facts.issuer, *facts.also_iss)
        return every if self.issuer is None or self.issuer in every else ()

    @property
    def user_claims(self) -> tuple[str, ...]:
        """The names of claims that users may write, with `*` for any characters."""
        return tuple(self.facts().user_claims)

    def demands(self) -> TokenDemands:
        """Return what every token must have: what the preset demands, and what the operator does."""
        written, facts = super().demands(), self.facts()
        replaced = {path for demand in written.demands for path in demand.paths}
        preset = f"preset {self.preset}"
        own = (
            replace(demand, setting=demand.setting or preset)
            for demand in (*facts.demands, lacks("cnf"))
            if demand.fixed or replaced.isdisjoint(demand.paths)
        )
        return replace(written, demands=(*own, *written.demands), traits=self._traits(facts))

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the kinds of tokens, and the audiences that no access token for the operator has."""
        yield from super().problems(setting, wrong)
        if self.accept != "access_token" or not isinstance(self.audiences, list):
            return
        for number, audience in enumerate(self.audiences):
            if message := self.mistaken(audience):
                where = f"{setting}.audiences[{number}]"
                yield Problem(setting=where, message=f"{redacted(audience)} {message}", fix=self.audiences_fix)

    def mistaken(self, audience: str) -> str:  # noqa: ARG002 - for presets
        """Return why access tokens for the operator cannot have this *audience*; "" if they may have it."""
        return ""

    def _traits(self, facts: Facts) -> Traits:
        """Return what is particular to the tokens. An `issuer` that is not the `iss` of a tenant has none."""
        tenants = facts.traits.tenants
        if tenants is None or self.issuer is None or self._every_iss():
            return facts.traits
        of_one = replace(tenants, accepts_any=False) if tenants.fit(self.issuer) else None
        return replace(facts.traits, tenants=of_one)


def _paths(identity: IdentityConfig) -> dict[str, object]:
    """Return *identity* as a file has it: a single claim is a text."""
    named = identity.model_dump(exclude_unset=True).items()
    return {field: paths[0] if len(paths) == 1 else paths for field, paths in named}


def _announcement(issuer: Issuer, loaded: LoadedIssuer) -> str:
    config = loaded.config
    if not isinstance(config, ProviderIssuer):
        return ""
    settings = ", ".join(in_one_line(name, value) for name, value in config.implied.items())
    return (
        f"issuer {issuer.name}: preset {config.preset} stands for {settings}. "
        f"A token must have {all_in_words(issuer.demands)}"
    )


def anonymous_accounts(config: Any) -> frozenset[str]:  # noqa: ANN401 - an issuer with the setting `anonymous`
    """Return the `refused_accounts` of an issuer whose setting `anonymous` is refuse or allow."""
    return frozenset({"anonymous"} if config.anonymous == "refuse" else ())


def anonymous_advice(config: ProviderIssuer) -> Iterator[str]:
    """Yield that `identity` decides who is anonymous, if the operator wrote that, and `anonymous` is refuse."""
    identity = config.identity
    is_mapped = identity is not None and config.is_written("identity") and "is_anonymous" in identity.model_fields_set
    if is_mapped and config.given("anonymous") == "refuse":
        yield "identity.is_anonymous decides who is refused as anonymous, instead of the claim that the provider writes"


def provider(
    settings: type[ProviderIssuer],
    title: str,
    *,
    places: Callable[[Any], tuple[CredentialPlace, ...]] = lambda _: (),
    refused_accounts: Callable[[Any], frozenset[str]] = lambda _: frozenset(),
) -> Preset:
    """Return the preset of the provider called *title*. *places* and *refused_accounts* are as in `Preset`."""
    return Preset(
        settings=settings,
        formats=lambda _: (FORMATS["jwt"],),
        library=title,
        announcement=_announcement,
        places=places,
        refused_accounts=refused_accounts,
    )
