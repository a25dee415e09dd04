"""Read one issuer's settings: add its preset's defaults, read its secrets, and check what the model alone cannot.

Some settings may be wrong by themselves (*wrong*); those are reported already. Everything else is checked all the same,
so that every problem shows in one run. A check that depends on a wrong setting is skipped: its result is not known.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from authgate.config import _issuer_problems as check
from authgate.config._issuer_secrets import read_secrets
from authgate.config._outbound import ca_file_problems
from authgate.config.read_store import read_store
from authgate.core.credential import SessionPlace
from authgate.core.demands import TENANT
from authgate.core.errors import Problem
from authgate.core.quoting import quoted
from authgate.presets import PRESETS
from authgate.presets.preset import LoadedIssuer
from authgate.presets.settings import JwtSettings, SessionSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authgate.presets.settings import IssuerSettings

T = TypeVar("T")

# Replaces a wrong URL. Everything that is derived from it (the URLs of keys and sessions, the names of cookies) is
# unknown, but sound: it is not reported again.
UNKNOWN_URL = "https://unknown.invalid"


def read_issuer(
    config: IssuerSettings,
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
        config = config.with_defaults()
        problems.extend(check.issuer_problems(config, setting, sources))
        problems.extend(check.unused_problems(config, given, setting, sources, wrong))
        if check.may_lack_secret(config, sources, wrong):
            config = config.without_sessions()
        problems.extend(config.problems(setting, wrong))
        problems.extend(check.audience_problems(config, setting, sources, wrong) if audiences_needed else ())
    problems.extend(check.source_problems(config, setting, sources, wrong))
    problems.extend(check.cookie_problems(config, setting, wrong))
    if config.fetches_keys and isinstance(config, JwtSettings):
        problems.extend(check.fetch_problems(config, setting, wrong))
        problems.extend(check.time_problems(config, setting, wrong))
    is_read = "preset" in wrong or "ca_file" not in config.unused_settings
    if isinstance(config, JwtSettings) and is_read and config.ca_file != config.usual_ca_file:
        problems.extend(ca_file_problems(config.ca_file, f"{setting}.ca_file"))
    store = read_store(config, setting, environ, problems, wrong) if isinstance(config, SessionSettings) else None
    return LoadedIssuer(
        config=config,
        setting=setting,
        secrets=read_secrets(config, setting, environ, problems, wrong),
        store=store,
        wrong=wrong,
    )


def clashes(issuers: tuple[LoadedIssuer, ...]) -> list[Problem]:
    """Return what keeps a token from belonging to exactly one issuer."""
    problems = []
    for name in _repeated(issuer.config.name for issuer in issuers):
        message = f"two issuers have the name {quoted(name)}"
        problems.append(Problem(setting="issuers", message=message, fix="give each its own `name`"))
    known = [
        issuer.jwts
        for issuer in issuers
        if issuer.jwts is not None and issuer.wrong.isdisjoint({"preset", *issuer.config.own_settings()})
    ]
    for iss in _repeated(iss for jwts in known for iss in (jwts.issuer, *jwts.also_iss) if iss != UNKNOWN_URL):
        message = "two issuers leave out `issuer`" if iss is None else f"two issuers have the issuer {quoted(iss, 200)}"
        message += ": AuthGate cannot tell which of them a token belongs to"
        fix = "list the tenants of each" if TENANT in (iss or "") else "give each its own `issuer`"
        problems.append(Problem(setting="issuers", message=message, fix=fix))
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
    names = [issuer.label for issuer in issuers if issuer.config.takes_session_tokens and "preset" not in issuer.wrong]
    if len(names) > 1:
        message = f"issuers {' and '.join(names)} both accept session tokens in Authorization: only one can"
        problems.append(Problem(setting="issuers", message=message, fix="set bearer: none for all but one"))
    return problems


def _cookies(issuer: LoadedIssuer) -> Iterator[str]:
    """Yield the names of the session cookies that *issuer* reads; none where they are not known."""
    config = issuer.sessions
    if config is None:
        return
    is_named = config.cookies is not None and config.cookies.session_token is not None
    depends_on = {"preset", "cookies"} if is_named else {"preset", "cookies", "url"}
    if any(path.partition(".")[0] in depends_on for path in issuer.wrong):
        return
    for place in PRESETS[config.preset].places(config):
        if isinstance(place, SessionPlace):
            yield from (name for name in (place.name, place.data_name) if name)
