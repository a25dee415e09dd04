"""Types of settings that several models share."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 §5.6.2; RFC 6265 §4.1.1 for cookies
_PROXY = re.compile(r"https?://(?:[!-.0-9:-?A-~]+@)?[!-.0-9:-?A-~]+/?")  # visible ASCII without @ and /


class Settings(BaseModel):
    """A group of settings: unknown ones are refused, and no message quotes a value, which may be a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


def token(name: str) -> str:
    """Return *name* if it can be the name of a header or cookie."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header or cookie: letters, digits and !#$%&'*+.^_`|~-")
    return name


def not_a_boolean(value: object) -> object:
    """Return *value* if it is no boolean, which pydantic would take for 0 or 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _seconds(value: object) -> object:
    try:
        return float(str(not_a_boolean(value)))
    except ValueError:
        raise ValueError(f"{value!r:.40} is not a number of seconds: write 300, not 5m") from None


def yaml_off(value: object) -> object:
    """Return "off" for the boolean that YAML 1.1 reads a bare off as."""
    return "off" if value is False else value


def proxy(url: SecretStr) -> SecretStr:
    """Return *url* if it is that of an HTTP proxy."""
    text = url.get_secret_value()
    try:  # whatever is wrong with it, no message may quote it
        is_proxy = bool(_PROXY.fullmatch(text)) and urlsplit(text).port != 0
    except ValueError:
        is_proxy = False
    if not is_proxy:
        raise ValueError(
            "is not the URL of an HTTP proxy, as http://proxy:3128 or http://user:password@proxy:3128 (no socks)"
        )
    return url


Token: TypeAlias = Annotated[str, AfterValidator(token)]
NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds)]
