"""The store over HTTP: its settings, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass

from authgate.config._outbound import url_problems
from authgate.config._types import NonEmpty, Settings
from authgate.sessions.http import HttpStore
from authgate.stores.store import LoadedStore, Reading, Store

_FIX = "write https://host/api/auth/get-session; for plain http add allow_http: true to the issuer"


class HttpSessionsConfig(Settings):
    """The store over HTTP: AuthGate asks Better Auth's get-session endpoint."""

    url: NonEmpty | None = None
    """The full URL of the endpoint. Default: the one under the issuer's `url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAddress:
    """The URL of get-session, and the file of CA certificates that replace the system's."""

    url: str
    ca_file: str | None


def _read(reading: Reading, http: HttpSessionsConfig) -> LoadedStore | None:
    if http.url is None and not reading.is_alone:
        return None  # it is not known which store counts
    if http.url is None:
        fix = "set the issuer's url, or sessions.http.url, or another store in sessions"
        reading.add(f"{reading.issuer}.sessions", "names no store, and there is no url to ask", fix)
        return None
    reading.problems.extend(
        url_problems(http.url, f"{reading.setting}.url", allow_http=reading.allow_http, content="sessions", fix=_FIX)
    )
    if not reading.names_cookies:
        message = "is missing: without it, the name of the cookie to send to Better Auth is not known"
        fix = "set the issuer's url to the front end's URL, or set its cookies"
        reading.add(f"{reading.issuer}.url", message, fix)
    return reading.loaded(HttpAddress(url=http.url, ca_file=reading.ca_file), where=http.url.partition("?")[0])


def _make(store: LoadedStore, cookie_name: str) -> HttpStore:
    address: HttpAddress = store.address
    return HttpStore(address.url, cookie_name=cookie_name, ca_file=address.ca_file)


STORE = Store(settings=HttpSessionsConfig, read=_read, make=_make)
