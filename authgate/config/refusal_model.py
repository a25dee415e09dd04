"""The settings of what a refused client gets: where it signs in, which origins may read it, and how a page looks."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, field_validator

from authgate.config._outbound import redacted
from authgate.config._types import SEVERAL, Settings
from authgate.core.errors import Unreadable
from authgate.core.request import split_authority
from authgate.core.sign_in import DEFAULT_PORTS, MAX_AGE
from authgate.core.spellings import spelling_in
from authgate.core.urls import url_fault

# Without the characters that end an attribute of HTML, begin a variable of nginx, or are not in a URL (RFC 3986).
_URL = re.compile(r"[^\"'<>\\^`{|}$]+")
# Part of the paths of some sign-in pages (;jsessionid=…). Where AuthGate reads the path, `paths` decides about them.
_DATA = frozenset({"encoded_slash", "semicolon"})
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_COLOR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_MAX_LOGIN_CHARACTERS = 1024
_MAX_LINE_CHARACTERS = 100  # a page stays under 4 KiB, which is nginx's bound for a word of its files


def _login_url(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        begins = "begin with https:// (http:// for development), such as https://app.example.com/sign-in"
        raise ValueError(f"{redacted(url)} is not an absolute URL: {begins}")
    fault = url_fault(url, allow_http=True)
    if fault is None and len(url) > _MAX_LOGIN_CHARACTERS:
        fault = f"is longer than {_MAX_LOGIN_CHARACTERS} characters"
    if fault is None and not _URL.fullmatch(url):
        fault = "has a character that is not in a URL"
    if fault is None and (spelling := spelling_in(urlsplit(url).path or "/", data=_DATA)):
        fault = f"has a path that servers read in different ways: it {spelling.detail}"
    if fault is None and MAX_AGE in dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)):
        fault = f"has the parameter {MAX_AGE}, which AuthGate adds where it is needed"
    if fault is not None:
        raise ValueError(f"{redacted(url)} {fault}: write an address such as https://app.example.com/sign-in")
    return url


def _return_host(host: str) -> str:
    try:
        name, port = split_authority(host)
    except Unreadable:
        name, port = "", None
    if not name:
        message = "is not a host to send users back to: write app.example.com, or app.example.com:8443 for another port"
        raise ValueError(f"{redacted(host)} {message}")
    return name if port is None else f"{name}:{port}"


def _parameter(name: str) -> str:
    if not _PARAMETER.fullmatch(name):
        raise ValueError(f"{redacted(name)} is not the name of a query parameter: use letters, digits, _, . and -")
    if name == MAX_AGE:
        raise ValueError(f"{name} has a meaning of its own: choose another name, such as return_to")
    return name


def _origin(origin: str) -> str:
    if origin == "*":
        raise ValueError("'*' is not an origin: browsers do not send cookies to every origin, so list each of yours")
    # lower() would turn the Kelvin sign into an ASCII "k" (P6).
    scheme, _, authority = origin.lower().partition("://") if origin.isascii() else ("", "", "")
    try:
        host, port = split_authority(authority)
    except Unreadable:
        host, port = "", None
    if scheme not in DEFAULT_PORTS or not host:
        raise ValueError(f"{redacted(origin)} is not an origin: write scheme://host[:port], without a path")
    return f"{scheme}://{host}" + ("" if port in {None, DEFAULT_PORTS[scheme]} else f":{port}")  # as browsers write it


def _line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("is not one line of text: remove line breaks, control characters and surrounding spaces")
    return text


def _color(color: str) -> str:
    if not _COLOR.fullmatch(color):
        raise ValueError(f"{redacted(color)} is not a color: write it as #rgb or #rrggbb, in quotes")
    return color


LoginUrl: TypeAlias = Annotated[str, AfterValidator(_login_url)]
ReturnHost: TypeAlias = Annotated[str, AfterValidator(_return_host)]
ReturnParameter: TypeAlias = Annotated[str, AfterValidator(_parameter)]
Origin: TypeAlias = Annotated[str, AfterValidator(_origin)]
Line: TypeAlias = Annotated[str, Field(min_length=1, max_length=_MAX_LINE_CHARACTERS), AfterValidator(_line)]


class CorsConfig(Settings):
    """Which other origins' pages may read a refusal, and whose preflights pass. The service answers the preflights."""

    allowed_origins: Annotated[list[Origin], Field(max_length=SEVERAL)] = []
    """The origins, for example https://app.example.com. The service sends the CORS headers of its own answers."""


class PageConfig(Settings):
    """The pages that AuthGate shows to people: refusals, where no login_url applies, and the end of a loop."""

    title: Line | None = None
    """The name of your site."""
    colour: Annotated[str, AfterValidator(_color)] | None = None
    """The color of the bar above the text and of the button, such as "#4a6fa5". Write it in quotes: YAML begins a
    comment with #."""
    contact: Line | None = None
    """Where people get help: a mail address, an https address, or a line of text."""

    @field_validator("colour", mode="before")
    @classmethod
    def _is_in_quotes(cls, value: object) -> object:
        if value is None:
            raise ValueError(
                'is null: write the color in quotes, such as "#4a6fa5", because YAML begins a comment with #'
            )
        return value
