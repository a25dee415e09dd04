"""The configuration that `authgate init` writes, with comments for people who see AuthGate for the first time."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from authgate.config._yaml import in_one_line
from authgate.core.claim_paths import written
from authgate.core.demands import all_in_words
from authgate.presets.provider import ProviderIssuer
from authgate.tokens.claim_sources import DEFAULT_CLAIMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.app import Prepared
    from authgate.cli._init_form import Form
    from authgate.core.credential import CredentialPlace
    from authgate.core.snapshot import Issuer

_COLUMNS = 100
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
        lines.append(f"{'  - ' if is_first else '    '}{in_one_line(setting, value)}")
    if isinstance(config, ProviderIssuer):
        lines += ["", *(f"    {line}".rstrip() for line in _follows(config, issuer, prepared, settings))]
    lines += ["", *_comment(_HEADERS), "headers:", *_headers(prepared, issuer)]
    lines += ["", *_comment(_POLICIES), *(f"# {line}" for line in EXAMPLE_POLICIES.splitlines())]
    return "\n".join(lines) + "\n"


def _follows(config: ProviderIssuer, issuer: Issuer, prepared: Prepared, given: Mapping[str, object]) -> Iterator[str]:
    """Yield comments: what the preset stands for besides the *given* settings, as YAML, and what it demands."""
    if config.added_roles:
        yield from _comment(
            f"No token has roles unless you add them (docs/issuers/{config.preset}.md). Then name their claim:"
        )
        yield f"# {in_one_line('identity', {'roles': config.added_roles})}"
        yield ""
    yield from _comment("The preset stands for these settings. To replace one, remove the # before it and change it.")
    for setting, value in config.implied.items():
        if setting not in given:
            yield f"# {in_one_line(setting, value)}"
    yield "#"
    yield from _comment(f"A token must have {all_in_words(issuer.demands)}.")
    places = prepared.snapshot.policies.policies[0].places
    yield from _comment(f"AuthGate looks for it in: {', '.join(_named(place) for place in places)}.")


def _named(place: CredentialPlace) -> str:
    return place.describe_absence(CIMultiDict())  # such as "header Authorization"


def _headers(prepared: Prepared, issuer: Issuer) -> Iterator[str]:
    """Yield the lines of the headers, each with the claims that it comes from."""
    sources = {in_one_line(name, field): field for name, field in prepared.config.headers.items()}
    width = max(map(len, sources))
    for line, field in sources.items():
        paths = " or ".join(map(written, issuer.identity.get(field, DEFAULT_CLAIMS[field])))
        yield f"  {line.ljust(width)}  # claim {paths}"


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
