"""The settings of an issuer about the claims of its JWTs: which become the identity, and which it demands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from pydantic import BeforeValidator, Field, create_model, model_validator

from authgate.config._types import FEW, MANY, ClaimPathText, Settings, at_most, not_null, one_or_more
from authgate.core import claim_paths
from authgate.tokens.claim_sources import DEFAULT_CLAIMS

if TYPE_CHECKING:
    from authgate.core.claim_paths import ClaimPath

_MOST_PATHS = 8


def _scalar(value: object) -> object:
    if isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError("is not text, a number, true or false: list the values that the claim may have")


Scalar: TypeAlias = Annotated[Any, BeforeValidator(_scalar, json_schema_input_type=str | bool | int | float)]
# Where a claim is, in the order in which AuthGate looks.
_Paths: TypeAlias = Annotated[list[ClaimPathText], one_or_more(str), Field(min_length=1, max_length=_MOST_PATHS)]
_Values: TypeAlias = Annotated[list[Scalar], one_or_more(Scalar), Field(min_length=1, max_length=MANY)]


class _Mapping(Settings):
    """The claims of JWTs that fields of the identity come from, by field. Each takes a claim path, or a list of them.

    The first claim that is present and not empty counts. A field that is left out comes from the usual claims.
    """

    example: ClassVar[str] = "{subject: oid}"
    # Why other fields cannot be mapped.
    not_settings: ClassVar[dict[str, str]] = {
        "issued_at": "AuthGate always reads it from iat (RFC 7519)",
        "not_before": "AuthGate always reads it from nbf (RFC 7519)",
        "expires_at": "AuthGate always reads it from exp (RFC 7519)",
        "ban_expires_at": "AuthGate always reads it from banExpires",
        "issuer": "it is the `name` of the issuer in this configuration",
        "format": "it says what kind of credential it is",
        "claims": "it is the whole payload of the token",
    }

    @model_validator(mode="after")
    def _is_not_empty(self) -> _Mapping:
        if not self.model_fields_set:
            raise ValueError("is empty: name the claim of at least one field, or remove it")
        return self

    def paths(self) -> dict[str, tuple[ClaimPath, ...]]:
        """Return the claim paths of each field that is set."""
        return {field: tuple(map(claim_paths.parse, getattr(self, field))) for field in sorted(self.model_fields_set)}


def _usual(field: str) -> str:
    names = " or ".join(f"`{claim_paths.written(path)}`" for path in DEFAULT_CLAIMS[field])
    return f"A claim path, or a list of them. Default: {names}."


_FIELDS: dict[str, Any] = {field: (_Paths, Field(default=None, description=_usual(field))) for field in DEFAULT_CLAIMS}
IdentityConfig: type[_Mapping] = create_model("IdentityConfig", __base__=_Mapping, __doc__=_Mapping.__doc__, **_FIELDS)
IdentitySetting: TypeAlias = Annotated[IdentityConfig | None, BeforeValidator(not_null)]
RequiredValues: TypeAlias = Annotated[
    Annotated[dict[ClaimPathText, _Values], Field(min_length=1), at_most(FEW)] | None, BeforeValidator(not_null)
]
