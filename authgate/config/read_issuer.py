"""Read one issuer's settings: add its preset's defaults, read its secrets, and check what the model alone cannot.

Some settings may be wrong by themselves (*wrong*); those are reported already. Everything else is checked all the same,
so that every problem shows in one run. A check that depends on a wrong setting is skipped: its result is not known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from authgate.config import _issuer_problems as check
from authgate.config._issuer_secrets import read_secrets
from authgate.config._outbound import ca_file_problems
from authgate.config.preset_defaults import cookie_names, with_defaults
from authgate.config.read_store import LoadedStore, read_store
from authgate.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authgate.config.issuer_model import IssuerConfig

T = TypeVar("T")

# Replaces a wrong URL. Everything that is derived from it (the URLs of keys and sessions, the names of cookies) is
# unknown, but sound: it is not reported again.
UNKNOWN_URL = "https://unknown.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedIssuer:
    """One issuer: its settings with the defaults of its preset, and its session store, if it has one.

    *setting* is its place in the configuration, such as issuers[0]. *secrets* are those of the file or a variable;
    secret files are read with the keys. *wrong* are the names of settings that are wrong by themselves.
    """

    config: IssuerConfig
    setting: str
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    store: LoadedStore | None = None
    wrong: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Its name in messages; its place if the name is wrong."""
        return self.setting if "name" in self.wrong else self.config.name

    @property
    def accepts_jwts(self) -> bool:
        """Whether it accepts JWTs, so that their `iss` must tell it from other issuers."""
        return bool(self.config.key_settings)


def read_issuer(
    config: IssuerConfig,
    setting: str,
    environ: Mapping[str, str],
    problems: list[Problem],
    *,
    audiences_needed: bool,
    wrong: frozenset[str],
) -> LoadedIssuer:
    """Return the issuer of *config* at *setting*, and add what is wrong with it to *problems*.

    *wrong* are the names of settings that are wrong by themselves: *config* has stand-ins or defaults for them.
    """
    given = config.model_fields_set | {path.partition(".")[0] for path in wrong}
    if url_problems := [*check.base_url_problems(config, setting, wrong)]:
        problems += url_problems
        config = config.model_copy(update={"url": UNKNOWN_URL})
        wrong |= {"url"}
    sources = check.given_sources(config, wrong)
    if "preset" not in wrong:
        problems.extend(check.foreign_problems(config, given, setting))
        config = with_defaults(config)
        problems.extend(check.session_problems(config, setting, sources, wrong))
        problems.extend(check.unused_problems(config, given, setting, sources, wrong))
        problems.extend(check.audience_problems(config, setting, sources) if audiences_needed else ())
        problems.extend(check.purpose_problems(config, given, setting, wrong))
    problems.extend(check.source_problems(config, setting, sources, wrong))
    problems.extend(check.cookie_problems(config, setting, wrong))
    if config.fetches_keys:
        problems.extend(check.fetch_problems(config, setting, wrong))
        problems.extend(check.time_problems(config, setting, wrong))
    if "preset" in wrong or "ca_file" not in config.unused_settings:
        problems.extend(ca_file_problems(config.ca_file, f"{setting}.ca_file"))
    return LoadedIssuer(
        config=config,
        setting=setting,
        secrets=read_secrets(config, setting, environ, problems, wrong),
        store=read_store(config, f"{setting}.sessions", environ, problems, wrong),
        wrong=wrong,
    )


def clashes(issuers: tuple[LoadedIssuer, ...]) -> list[Problem]:
    """Return what keeps a token from belonging to exactly one issuer."""
    problems = []
    for name in _repeated(issuer.config.name for issuer in issuers):
        message = f"two issuers have the name {name!r}"
        problems.append(Problem(setting="issuers", message=message, fix="give each its own `name`"))
    known = [issuer for issuer in issuers if issuer.accepts_jwts and "preset" not in issuer.wrong]
    for iss in _repeated(issuer.config.issuer for issuer in known if issuer.config.issuer != UNKNOWN_URL):
        message = "two issuers leave out `issuer`" if iss is None else f"two issuers have the issuer {iss!r}"
        message += ": AuthGate cannot tell which of them a token belongs to"
        problems.append(Problem(setting="issuers", message=message, fix="give each its own `issuer`"))
    return problems + _session_clashes(issuers)


def _repeated(values: Iterable[T]) -> list[T]:
    """Return the values that occur more than once, each once."""
    return [value for value, count in Counter(values).items() if count > 1]


def _session_clashes(issuers: tuple[LoadedIssuer, ...]) -> list[Problem]:
    """Return what keeps a session cookie or a session token from belonging to exactly one issuer."""
    owners: dict[str, str] = {}
    problems = []
    for issuer in issuers:
        for cookie in _cookies(issuer):
            owner = owners.setdefault(cookie, issuer.label)
            if owner != issuer.label:
                message = f"issuers {owner} and {issuer.label} both read the cookie {cookie}"
                problems.append(Problem(setting="issuers", message=message, fix="give one of them other `cookies`"))
    names = [issuer.label for issuer in issuers if issuer.config.bearer != "none" and "preset" not in issuer.wrong]
    if len(names) > 1:
        message = f"issuers {' and '.join(names)} both accept session tokens in Authorization: only one can"
        problems.append(Problem(setting="issuers", message=message, fix="set bearer: none for all but one"))
    return problems


def _cookies(issuer: LoadedIssuer) -> Iterator[str]:
    """Yield the names of the session cookies that *issuer* reads; none where they are not known."""
    config = issuer.config
    is_named = config.cookies is not None and config.cookies.session_token is not None
    depends_on = {"preset", "cookies"} if is_named else {"preset", "cookies", "url"}
    if not config.has_sessions or any(path.partition(".")[0] in depends_on for path in issuer.wrong):
        return
    for names in cookie_names(config):
        yield from (name for name in (names.session_token, names.session_data) if name is not None)
