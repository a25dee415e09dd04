"""The configuration that `authgate init` writes, with comments for people who see AuthGate for the first time."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import yaml
from multidict import CIMultiDict

from authgate.config.identity_model import IdentityConfig
from authgate.core.claim_paths import written
from authgate.presets.provider import ProviderIssuer
from authgate.tokens.claim_sources import DEFAULT_CLAIMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.app import Prepared
    from authgate.cli._init_form import Form
    from authgate.core.snapshot import Issuer

_COLUMNS = 100
_ENDLESS = 1_000_000
_HEADERS = """
What your services get. An absent or empty X-User-Id means that nobody is signed in. The proxy must remove these headers
from the requests of clients: authgate proxy writes its files.
"""
_POLICIES = """
Without policies, every request requires a signed-in user. With policies, the first that matches a request decides, and
a request that none matches is refused. To begin with these, remove the # before them. See docs/policies.md.
"""
EXAMPLE_POLICIES = """\
policies:
  - {name: health, match: {path: /healthz}, public: true}
  - {name: admin, match: {path: /admin/**}, require: {roles: {any_of: [admin]}}}
  - {name: app, require: signed_in}
"""


def text(form: Form, settings: Mapping[str, object], prepared: Prepared) -> str:
    """Return the configuration of one issuer with *settings*. *prepared* is this configuration, made ready."""
    (config,) = prepared.config.issuers
    (issuer,) = prepared.snapshot.issuers
    lines = _comment(f"Made by `authgate init {form.preset}`. See {form.page}; docs/configuration.md has all settings.")
    lines += ["", "issuers:"]
    for setting, value in form.issuer(settings).items():
        is_first = setting == "name"
        lines += _comment(form.description(setting), indent="  " if is_first else "    ")
        lines.append(f"{'  - ' if is_first else '    '}{_line(setting, value)}")
    if isinstance(config, ProviderIssuer):
        lines += ["", *(f"    {line}".rstrip() for line in _follows(config, issuer, prepared))]
    lines += ["", *_comment(_HEADERS), "headers:", *_headers(prepared, issuer)]
    lines += ["", *_comment(_POLICIES), *(f"# {line}" for line in EXAMPLE_POLICIES.splitlines())]
    return "\n".join(lines) + "\n"


def _follows(config: ProviderIssuer, issuer: Issuer, prepared: Prepared) -> Iterator[str]:
    """Yield comments: the settings that the preset stands for, as lines that can replace them, and what it demands."""
    yield from _comment("The preset stands for these settings. To replace one, remove the # before it and change it.")
    for setting, value in {**config.implied, "identity": _identity(config.implied.get("identity"))}.items():
        yield f"# {_line(setting, value)}"
    yield "#"
    if demands := "; ".join(demand.in_words for demand in issuer.demands):
        yield from _comment(f"A token must have: {demands}.")
    places = prepared.snapshot.policies.policies[0].places
    looked_at = ", ".join(place.describe_absence(CIMultiDict()) for place in places)
    yield from _comment(f"AuthGate looks for tokens in: {looked_at}.")


def _identity(implied: object) -> dict[str, object]:
    """Return the claims that the preset names for fields of the identity, and those of the roles in any case."""
    named = implied.model_dump(exclude_unset=True) if isinstance(implied, IdentityConfig) else {}
    paths = {"roles": [*map(written, DEFAULT_CLAIMS["roles"])]} | named
    return {field: one[0] if isinstance(one, list) and len(one) == 1 else one for field, one in paths.items()}


def _headers(prepared: Prepared, issuer: Issuer) -> Iterator[str]:
    """Yield the lines of the headers, each with the claims that it comes from."""
    lines = {_line(name, source): source for name, source in prepared.config.headers.items()}
    width = max(map(len, lines))
    for line, field in lines.items():
        paths = " or ".join(map(written, issuer.identity.get(field, DEFAULT_CLAIMS[field])))
        yield f"  {line.ljust(width)}  # claim {paths}"


def _line(setting: str, value: object) -> str:
    """Return *setting* with *value* in one line of YAML."""
    is_group = isinstance(value, (list, dict))
    for style in (None, '"'):  # in double quotes, line breaks and the like are escaped
        line = yaml.safe_dump(
            [value] if is_group else {setting: value},
            default_flow_style=is_group,
            default_style=style,
            sort_keys=False,
            width=_ENDLESS,
            allow_unicode=True,
        ).removesuffix("\n")
        if line.isprintable():
            break
    return f"{setting}: {line[1:-1]}" if is_group else line


def _comment(text: str, indent: str = "") -> list[str]:
    begin = f"{indent}# "
    return textwrap.wrap(
        text.strip(),
        _COLUMNS,
        initial_indent=begin,
        subsequent_indent=begin,
        break_long_words=False,
        break_on_hyphens=False,
    )
