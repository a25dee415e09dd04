"""Read the session store of an issuer: which one it is, and what the models alone cannot check.

Like `read_issuer`, it checks everything that is written, and skips what depends on a setting that is wrong by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.errors import Problem
from authgate.presets import PRESETS
from authgate.sessions.layouts import BETTER_AUTH, BETTER_AUTH_SNAKE_CASE
from authgate.stores import STORES
from authgate.stores.store import LoadedStore, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.presets.settings import SessionSettings
    from authgate.stores import SessionsConfig


def read_store(
    config: SessionSettings, issuer: str, environ: Mapping[str, str], problems: list[Problem], wrong: frozenset[str]
) -> LoadedStore | None:
    """Return the session store of *config*, None if it has none or a wrong one. Its issuer is at *issuer*."""
    sessions = config.sessions
    if sessions is None:
        return None
    before = len(problems)
    problems.extend(_contradictions(sessions, f"{issuer}.sessions"))
    may_be_named = any(path.startswith("sessions") and path != "sessions.cache_seconds" for path in wrong)
    if not sessions.stores and sessions.check != "never" and not may_be_named and "preset" not in wrong:
        problems.append(_no_store(config, f"{issuer}.sessions"))
    stores = []
    for name in sessions.stores:
        if "preset" not in wrong and name not in PRESETS[config.preset].stores:
            problems.append(_foreign_store(config, f"{issuer}.sessions", name))
        reading = _reading(config, issuer, name, environ, problems, wrong)
        stores.append(STORES[name].read(reading, sessions.group(name)))
    return stores[0] if len(problems) == before and len(stores) == 1 and sessions.check != "never" else None


def _contradictions(sessions: SessionsConfig, setting: str) -> Iterator[Problem]:
    if sessions.check == "never":
        for name in sorted(sessions.model_fields_set - {"check"}):
            message, fix = "has no effect with check: never", "remove it, or set check to fallback or always"
            yield Problem(setting=f"{setting}.{name}", message=message, fix=fix)
    elif len(sessions.stores) > 1:
        message = f"has {' and '.join(sessions.stores)}: an issuer has one session store"
        yield Problem(setting=setting, message=message, fix="keep one")


def _no_store(config: SessionSettings, setting: str) -> Problem:
    stores = _stores(config)
    if config.may_ask_over_http:
        message, fix = "names no store, and there is no url to ask", f"set the issuer's url, or {stores}"
    else:
        message, fix = "names no store", f"set {stores}, or remove sessions: encrypted cookies need no store"
    return Problem(setting=setting, message=message, fix=fix)


def _foreign_store(config: SessionSettings, setting: str, name: str) -> Problem:
    message = f"does not apply to preset {config.preset}, whose sessions are never there"
    return Problem(setting=f"{setting}.{name}", message=message, fix=f"set {_stores(config)}, or remove it")


def _stores(config: SessionSettings) -> str:
    """Return the stores that can hold the sessions of *config*, for people."""
    return " or ".join(f"sessions.{name}" for name in PRESETS[config.preset].stores)


def _reading(
    config: SessionSettings,
    issuer: str,
    name: str,
    environ: Mapping[str, str],
    problems: list[Problem],
    wrong: frozenset[str],
) -> Reading:
    sessions, layouts = config.sessions, None if "preset" in wrong else PRESETS[config.preset].layouts
    ca_file = config.given("ca_file")
    return Reading(
        issuer=issuer,
        group=name,
        environ=environ,
        problems=problems,
        wrong=wrong,
        layouts=layouts or (BETTER_AUTH, BETTER_AUTH_SNAKE_CASE),
        allow_http=bool(config.given("allow_http") or wrong & {"preset", "allow_http"}),
        ca_file=None if ca_file is None else str(ca_file),
        names_cookies=config.url is not None or config.cookies is not None or "preset" in wrong,
        is_alone=sessions is not None and len(sessions.stores) == 1,
        check="always" if sessions is not None and sessions.check == "always" else "fallback",
        cache_seconds=sessions.cache_seconds if sessions is not None else 0,
    )
