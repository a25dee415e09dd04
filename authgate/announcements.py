"""What AuthGate says at its start: what each issuer accepts, whom the listeners trust, what to beware of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.config.issuer_model import SECRET_SETTINGS
from authgate.config.preset_defaults import SECURE_PREFIX, cookie_names, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.config.issuer_model import IssuerConfig
    from authgate.config.model import Config
    from authgate.config.read_issuer import LoadedIssuer
    from authgate.core.snapshot import Issuer

_LIBRARY = {"better-auth": "Better Auth", "authjs": "Auth.js", "nextauth-v4": "NextAuth"}
_NO_STORE = "opaque session cookies cannot be checked: set BETTER_AUTH_URL, or `url` or `sessions` of the issuer"
_NO_DATABASE = "; opaque ones (database strategy) cannot be checked: set `sessions.postgres`"
_NEVER = "opaque session cookies cannot be checked: sessions.check is never"


def for_issuer(issuer: Issuer, entry: LoadedIssuer) -> Iterator[str]:
    """Yield in plain sentences what *issuer*, configured by *entry*, accepts and what not."""
    if entry.config.has_sessions:
        yield _sessions(issuer, entry)
    if entry.accepts_jwts:
        yield _jwts(issuer, entry)


def _jwts(issuer: Issuer, entry: LoadedIssuer) -> str:
    names = "/".join(
        sorted({key.algorithm for key in issuer.key_set.keys} or {*(entry.config.algorithms or ["signed"])})
    )
    iss = f"iss {issuer.iss}" if issuer.iss else "any iss"
    aud = f"aud {' or '.join(sorted(issuer.audiences))}" if issuer.audiences else "any aud"
    if entry.config.fetches_keys:
        under = f"public keys, kept up to date from {entry.config.jwks_url or 'where its metadata says'}"
    elif entry.config.key_settings[0] in SECRET_SETTINGS:
        under = str(issuer.key_set.keys[0])
    else:
        kind = "secret" if issuer.key_set.keys[0].is_symmetric else "public"
        count = len(issuer.key_set.keys)
        under = f"{count} {kind} key{'s' * (count != 1)}"
    told = f"issuer {issuer.name} accepts {names} JWTs with {iss} and {aud} under its {under}"
    return told if entry.config.has_sessions else f"{told}; it accepts no session cookies"


def _sessions(issuer: Issuer, entry: LoadedIssuer) -> str:
    config, store = entry.config, entry.store
    cookies = " or ".join(str(names.session_token) for names in cookie_names(config))
    secrets = ", ".join(dict.fromkeys(key.secret_fingerprint or "" for key in issuer.session_key_set.keys))
    begin = f"issuer {issuer.name} accepts {_LIBRARY[config.preset]} sessions in the cookie {cookies} under its secret "
    begin += f"with fingerprint {secrets}"
    never = config.sessions is not None and config.sessions.check == "never"
    if config.preset != "better-auth":
        told = f"; opaque ones (database strategy) are looked up in {store.where}" if store else _NO_DATABASE
        return f"{begin}; {_NEVER}" if never else begin + told
    if store is None:
        data = f"by their cached data ({'/'.join(config.strategies)}) alone"
        return f"{begin}, {data}; {_NEVER if never else _NO_STORE}"
    when = "at every request" if store.check == "always" else "where their cached data cannot be believed"
    return f"{begin}; {when} they are looked up in {store.where}, each answer held for {store.cache_seconds:g} s"


def for_listeners(config: Config, serials: Mapping[str, str]) -> list[str]:
    """Return which listeners speak TLS, by the *serials* of their certificates, and whom they trust."""
    told = [f"{setting}: TLS with the certificate of serial {serial}" for setting, serial in serials.items()]
    if config.tls is not None:
        whom = [", ".join(str(network) for network in config.trusted_proxies)] if config.trusted_proxies else []
        if config.tls.client_ca_file is not None:
            names = f" that names {' or '.join(config.tls.client_names)}" if config.tls.client_names else ""
            whom.append(f"every peer with a certificate of tls.client_ca_file{names}")
        told.append(f"trusted as proxies: {'; '.join(whom)}")
    return told


def warnings(issuer: Issuer, entry: LoadedIssuer) -> Iterator[str]:
    """Yield what an operator should know of *issuer*, configured by *entry*, before somebody else finds out."""
    if entry.config.fetches_keys and issuer.iss is None:
        yield (
            f"issuer {issuer.name}: tokens of any iss under its keys pass, and who publishes keys may sign for many: "
            "set `issuer` to the exact iss"
        )
    if entry.config.has_sessions:
        yield from _session_warnings(issuer, entry.config)
    if entry.store is not None and entry.store.warning:
        yield f"issuer {issuer.name}: {entry.store.where}: {entry.store.warning}"
    for skipped in issuer.key_set.skipped:
        yield f"issuer {issuer.name}: skipped {skipped}"
    if entry.accepts_jwts and "exp" not in issuer.required_claims:
        yield f"issuer {issuer.name}: a token without exp never expires, and required_claims does not ask for it"


def _session_warnings(issuer: Issuer, config: IssuerConfig) -> Iterator[str]:
    names = cookie_names(config)
    if len(names) > 1:
        yield (
            f"issuer {issuer.name}: the cookie {names[1].session_token} counts, too, and a page by plain http can set "
            f"it, which {SECURE_PREFIX} prevents: set `url` or `cookies`"
        )
    if config.url is not None and config.url.startswith("http:") and not is_loopback(config.url):
        yield (
            f"issuer {issuer.name}: {config.url} is plain http: whoever is on the way can read and forge sessions and "
            "keys"
        )
