"""The settings of rules, made from the table of dimensions in core/rules.py, and the rule that they become."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, ForwardRef, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, Field, StrictBool, create_model, field_validator, model_validator

from authgate.config._outbound import redacted
from authgate.config._types import MANY, SEVERAL, ClaimPathText, NonEmpty, Seconds, Settings, at_most, one_or_more
from authgate.config.identity_model import Scalar
from authgate.config.networks import Network
from authgate.core.claim_paths import CLAIMS
from authgate.core.rules import DIMENSIONS, MAIL_DOMAIN, Every, Not, Operand, Some, Test

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.core.rules import Rule

# How deep any, all and not may be nested, and how many tests one policy may have.
MAX_DEPTH = 8
MAX_TESTS = 64

_MAX_SCOPE_CHARACTERS = 128
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # scope-token of RFC 6749 §3.3


class _Operand(Settings):
    """What one dimension is compared with. At least one of its settings is set."""

    @model_validator(mode="after")
    def _is_not_empty(self) -> _Operand:
        if not self.model_fields_set:
            names = ", ".join(type(self).model_fields)
            raise ValueError("is empty" if isinstance(self, _Rule) else f"is empty: set at least one of {names}")
        return self


class _ListOperand(_Operand):
    """What one dimension is compared with, as lists."""

    example: ClassVar[str] = "{any_of: [admin]}"


def _scope(text: str) -> str:
    if len(text) > _MAX_SCOPE_CHARACTERS:
        raise ValueError(f"{redacted(text)} is longer than {_MAX_SCOPE_CHARACTERS} characters")
    if not _SCOPE.fullmatch(text):
        raise ValueError(f"{redacted(text)} is not one scope: write each scope as an element of the list")
    return text


def _domain(domain: str) -> str:
    if not MAIL_DOMAIN.fullmatch(domain.lower()):
        raise ValueError(
            f"{redacted(domain)} is not a mail domain: write example.com, and an internationalized name as xn--…"
        )
    return domain.lower()


Scope: TypeAlias = Annotated[NonEmpty, AfterValidator(_scope)]


def _list_operand(name: str, element: Any, max_length: int = MANY) -> type[_Operand]:  # noqa: ANN401 - a type
    values: Any = (Annotated[list[element], Field(min_length=1, max_length=max_length)], None)
    return create_model(name, __base__=_ListOperand, __doc__=_LIST_TEXT, any_of=values, all_of=values, none_of=values)


_LIST_TEXT = "any_of: at least one of the list. all_of: all of the list. none_of: none of the list."

ValuesConfig = _list_operand("ValuesConfig", NonEmpty)
# WWW-Authenticate names all of them: 4 KiB at most, which leaves room in the head of the reply.
ScopesConfig = _list_operand("ScopesConfig", Scope, max_length=32)
_CLAIM: Any = _list_operand("ClaimConfig", Scalar)


class EmailConfig(_Operand):
    """The e-mail address. It must have exactly one `@`, and be verified."""

    domain: Annotated[
        list[Annotated[NonEmpty, AfterValidator(_domain)]], one_or_more(str), Field(min_length=1, max_length=MANY)
    ] = []
    """The accepted domains, exactly: example.com does not accept mail.example.com."""
    verified: Literal[True, "any"] = True
    """true: the issuer says that the address is verified. any: unverified addresses count, too; then users may choose
    their address."""

    @model_validator(mode="after")
    def _demands_something(self) -> EmailConfig:
        if self.verified == "any" and not self.domain:
            raise ValueError("accepts every address: set domain, or remove the rule")
        return self


class SessionConfig(_Operand):
    """The state of the session and of its user. Each is true, false, or unknown if the credential does not say."""

    impersonated: StrictBool | None = None
    """Whether an administrator acts as the user."""
    anonymous: StrictBool | None = None
    """Whether the user has no account, but signed in anonymously (Better Auth, Supabase, Firebase)."""
    banned: StrictBool | None = None
    """Whether the user is banned. By default an issuer of preset better-auth refuses banned users anyway."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_null(cls, value: object) -> object:
        if value is None:  # such a rule would be true of nobody
            raise ValueError("null is neither true nor false")
        return value


Age: TypeAlias = Annotated[Seconds, Field(ge=1, le=31_536_000)]

_OPERANDS: dict[Operand, Any] = {
    Operand.LIST: ValuesConfig,
    Operand.SCOPES: ScopesConfig,
    Operand.EMAIL: EmailConfig,
    Operand.SESSION: SessionConfig,
    Operand.NETWORKS: Annotated[list[Network], one_or_more(str), Field(min_length=1, max_length=SEVERAL)],
    Operand.SECONDS: Age,
}


class _Rule(_Operand):
    """What must be true of the user. Several rules in one mapping must all be true."""

    example: ClassVar[str] = "{roles: {any_of: [admin]}}"


_RULE: Any = ForwardRef("RuleConfig")
_FIELDS: dict[str, Any] = {
    **{
        name: (_OPERANDS[dimension.operand], Field(default=None, description=dimension.text))
        for name, dimension in DIMENSIONS.items()
    },
    "claims": (
        Annotated[dict[ClaimPathText, _CLAIM], Field(min_length=1), at_most(MAX_TESTS)],
        Field(default=None, description="Claims, each by its path: names joined by dots, with quotes where needed."),
    ),
    "any": (
        Annotated[list[_RULE], Field(min_length=1, max_length=MAX_TESTS)],
        Field(default=None, description="A list of mappings of rules, of which at least one must be true."),
    ),
    "all": (
        Annotated[list[_RULE], Field(min_length=1, max_length=MAX_TESTS)],
        Field(default=None, description="A list of mappings of rules, which must all be true."),
    ),
    "not": (_RULE, Field(default=None, description="A mapping of rules that must be false, not unknown.")),
}
# No field is optional: a rule that is null is a mistake, not a rule that is left out.
RuleConfig: type[_Rule] = create_model("RuleConfig", __base__=_Rule, __doc__=_Rule.__doc__, **_FIELDS)


class PlacedTest(NamedTuple):
    """One test of a rule, where it is within the rule (`any[0].roles.any_of`), and in how many any, all and not."""

    setting: str
    depth: int
    test: Test


def placed_tests(config: Settings, within: str = "", depth: int = 0) -> Iterator[PlacedTest]:
    """Yield every test of *config*, a `RuleConfig`, however deep it is nested."""
    for name in config.model_fields_set & {"any", "all"}:
        for position, part in enumerate(getattr(config, name)):
            yield from placed_tests(part, f"{within}{name}[{position}].", depth + 1)
    if "not" in config.model_fields_set:
        yield from placed_tests(getattr(config, "not"), f"{within}not.", depth + 1)
    for test in _own_tests(config):
        yield PlacedTest(within + test.name, depth, test)


def make_rule(config: Settings) -> Rule:
    """Return the rule that *config*, a `RuleConfig`, describes. Its tests are in the order of the table."""
    return Every(tuple(_rules(config)))


def _rules(config: Settings) -> Iterator[Rule]:
    for name in type(config).model_fields:
        if name not in config.model_fields_set:
            continue
        value = getattr(config, name)
        if name == "not":
            yield Not(_single(value))
        elif name in {"any", "all"}:
            parts = tuple(_single(part) for part in value)
            yield Some(parts) if name == "any" else Every(parts)
        else:
            yield from _tests_of(name, value)


def _own_tests(config: Settings) -> Iterator[Test]:
    """Yield the tests of *config* that are in no any, all or not."""
    for name in type(config).model_fields:
        if name in config.model_fields_set and name not in {"any", "all", "not"}:
            yield from _tests_of(name, getattr(config, name))


def _tests_of(name: str, value: Any) -> Iterator[Test]:  # noqa: ANN401 - as _FIELDS has it
    operands = {CLAIMS + path: one for path, one in value.items()} if name == "claims" else {name: value}
    for dimension, operand in operands.items():
        yield from _tests(dimension, operand)


def _single(config: Settings) -> Rule:
    rule = make_rule(config)
    return rule.rules[0] if isinstance(rule, Every) and len(rule.rules) == 1 else rule


def _tests(dimension: str, operand: Any) -> Iterator[Test]:  # noqa: ANN401 - as _OPERANDS has it
    if isinstance(operand, EmailConfig):
        expected = (tuple(operand.domain), operand.verified is True)
        yield Test(dimension=dimension, operator="domain" if operand.domain else "verified", expected=expected)
    elif isinstance(operand, _Operand):
        for operator in type(operand).model_fields:
            if operator in operand.model_fields_set:
                value = getattr(operand, operator)
                yield Test(
                    dimension=dimension, operator=operator, expected=tuple(value) if isinstance(value, list) else value
                )
    else:
        expected = tuple(operand) if isinstance(operand, list) else operand
        yield Test(dimension=dimension, operator="", expected=expected)
