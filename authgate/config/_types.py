"""Types and validators that several models share."""

from __future__ import annotations

import contextlib
import math
import re
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import InitErrorDetails

from authgate.config._descriptions import add_descriptions
from authgate.config._outbound import redacted
from authgate.config._report import scalar
from authgate.core import claim_paths

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 §5.6.2; RFC 6265 §4.1.1 for cookies
_PROXY = re.compile(r"https?://(?:[!-.0-9:-?A-~]+@)?[!-.0-9:-?A-~]+/?")  # visible ASCII without @ and /


class Settings(BaseModel):
    """A group of settings. Unknown ones are rejected, and pydantic's own error text quotes no value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra=add_descriptions
    )


def with_mistake(error: ValidationError, message: str, value: object) -> ValidationError:
    """Return *error* with one more mistake, *message*: what is wrong with the whole *value*.

    pydantic checks a whole only after all of its parts are valid, so this mistake would show only in the next run.
    """
    mistakes = [
        InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
        for one in error.errors(include_url=False)
    ]
    mistakes.append(InitErrorDetails(type="value_error", loc=(), input=value, ctx={"error": ValueError(message)}))
    return ValidationError.from_exception_data(error.title, mistakes)


def token(name: str) -> str:
    """Return *name* if it can be the name of a header or cookie."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            f"{redacted(name)} cannot be a name of a header or cookie: use 1 to 128 letters, digits and !#$%&'*+.^_`|~-"
        )
    return name


def not_null(value: object) -> object:
    """Return *value* unless it is null, as a list or a mapping is whose lines are all comments.

    For settings that may be left out, where null must not mean "everything" or "no demand".
    """
    if value is None:
        raise ValueError("is null: set it, or leave it out")
    return value


def not_a_boolean(value: object) -> object:
    """Return *value* unless it is a boolean, which pydantic would read as 0 or 1."""
    if isinstance(value, bool):
        raise ValueError(f"{scalar(value)} is not a number")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _seconds(value: object) -> object:
    seconds = math.nan
    with contextlib.suppress(ValueError):
        seconds = float(str(not_a_boolean(value)))
    if math.isnan(seconds):
        shown = scalar(value)
        raise ValueError(f"{shown + ' ' if shown else ''}is not a number of seconds: write 300, not 5m")
    return seconds


def at_most(length: int) -> BeforeValidator:
    """Return a validator that refuses a longer list or mapping before its elements are validated.

    pydantic itself looks at all elements of a mapping first, and reports every one that is wrong.
    """

    def checked(value: object) -> object:
        if isinstance(value, (list, dict)) and len(value) > length:
            raise ValueError(f"has {len(value)} elements; at most {length} are allowed")
        return value

    return BeforeValidator(checked)


def one_or_more(element: Any) -> BeforeValidator:  # noqa: ANN401 - a type
    """Return a validator that makes a list of a single value. *element* is the type of one value, for the schema."""
    return BeforeValidator(
        lambda value: value if isinstance(value, list) or value is None else [value],
        json_schema_input_type=element | list[element],
    )


def proxy(url: SecretStr) -> SecretStr:
    """Return *url* if it is the URL of an HTTP proxy."""
    text = url.get_secret_value()
    try:  # it may hold a password, so no message may quote it
        is_proxy = bool(_PROXY.fullmatch(text)) and urlsplit(text).port != 0
    except ValueError:
        is_proxy = False
    if not is_proxy:
        raise ValueError(
            "is not the URL of an HTTP proxy: write http://proxy:3128 or http://user:password@proxy:3128 (no SOCKS)"
        )
    return url


def claim_path(text: str, prefix: str = "") -> str:
    """Return *text* if it is a claim path after *prefix*."""
    try:
        claim_paths.parse(text.removeprefix(prefix), prefix=prefix)
    except ValueError as error:
        raise ValueError(f"{redacted(text)} {error}") from None
    return text


# The bounds of long lists. All lists of a configuration together are bounded, too (`_yaml.MAX_VALUES`).
MANY = 1000
SEVERAL = 256
FEW = 64

ClaimPathText: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(claim_path)]
Token: TypeAlias = Annotated[str, AfterValidator(token)]
NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds)]
