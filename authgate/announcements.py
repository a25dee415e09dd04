"""The lines of the start-up log: what each issuer accepts, which peers are trusted, and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.config.issuer_model import SECRET_SETTINGS
from authgate.config.preset_defaults import SECURE_PREFIX, cookie_names, is_loopback
from authgate.core.snapshot import Accept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.config.issuer_model import IssuerConfig
    from authgate.config.model import Config
    from authgate.config.read_issuer import LoadedIssuer
    from authgate.core.snapshot import Issuer

_LIBRARY = {"better-auth": "Better Auth", "authjs": "Auth.js", "nextauth-v4": "NextAuth"}
_KINDS = {Accept.ACCESS_TOKEN: "JWTs", Accept.ID_TOKEN: "ID tokens", Accept.ANY: "access and ID tokens"}
_NO_STORE = "opaque session cookies cannot be checked: set BETTER_AUTH_URL, or `url` or `sessions` of the issuer"
_NO_DATABASE = "opaque session cookies (database strategy) cannot be checked: set `sessions.postgres`"
_NEVER = "opaque session cookies cannot be checked: sessions.check is never"


def for_issuer(issuer: Issuer, loaded: LoadedIssuer) -> Iterator[str]:
    """Yield sentences that say what *issuer*, which was made from *loaded*, accepts and what it does not."""
    if loaded.config.has_sessions:
        yield _sessions(issuer, loaded)
    if loaded.accepts_jwts:
        yield _jwts(issuer, loaded)


def _jwts(issuer: Issuer, loaded: LoadedIssuer) -> str:
    names = "/".join(
        sorted({key.algorithm for key in issuer.key_set.keys} or {*(loaded.config.algorithms or ["signed"])})
    )
    iss = f"iss {issuer.iss}" if issuer.iss else "any iss"
    aud = f"aud {' or '.join(sorted(issuer.audiences))}" if issuer.audiences else "any aud"
    if loaded.config.fetches_keys:
        keys = f"public keys from {loaded.config.jwks_url or 'the URL in its metadata'}"
    elif loaded.config.key_settings[0] in SECRET_SETTINGS:
        keys = str(issuer.key_set.keys[0])
    else:
        kind = "secret" if issuer.key_set.keys[0].is_symmetric else "public"
        count = len(issuer.key_set.keys)
        keys = f"{count} {kind} key{'s' * (count != 1)}"
    sentence = f"issuer {issuer.name} accepts {names} {_KINDS[issuer.accept]} with {iss} and {aud} under its {keys}"
    return sentence if loaded.config.has_sessions else f"{sentence}; it accepts no session cookies"


def _sessions(issuer: Issuer, loaded: LoadedIssuer) -> str:
    config, store = loaded.config, loaded.store
    cookies = " or ".join(str(names.session_token) for names in cookie_names(config))
    fingerprints = ", ".join(dict.fromkeys(key.secret_fingerprint or "" for key in issuer.session_key_set.keys))
    sentence = f"issuer {issuer.name} accepts {_LIBRARY[config.preset]} sessions in the cookie {cookies} "
    sentence += f"under its secret with fingerprint {fingerprints}"
    is_never = config.sessions is not None and config.sessions.check == "never"
    if config.preset != "better-auth":
        opaque = f"opaque session cookies (database strategy) are looked up in {store.where}" if store else _NO_DATABASE
        return f"{sentence}; {_NEVER if is_never else opaque}"
    if store is None:
        data = f"by their cached data ({'/'.join(config.strategies)}) alone"
        return f"{sentence}, {data}; {_NEVER if is_never else _NO_STORE}"
    which = "all sessions" if store.check == "always" else "sessions without valid cached data"
    return f"{sentence}; {which} are looked up in {store.where}, and answers are cached for {store.cache_seconds:g} s"


def for_listeners(config: Config, serials: Mapping[str, str]) -> list[str]:
    """Return which listeners use TLS, with the serials of their certificates, and which peers are trusted.

    *serials* has the serial of each certificate by its setting.
    """
    lines = [f"{setting}: TLS with the certificate of serial {serial}" for setting, serial in serials.items()]
    if config.tls is not None:
        peers = [", ".join(str(network) for network in config.trusted_proxies)] if config.trusted_proxies else []
        if config.tls.client_ca_file is not None:
            names = f" that names {' or '.join(config.tls.client_names)}" if config.tls.client_names else ""
            peers.append(f"every peer with a certificate of tls.client_ca_file{names}")
        lines.append(f"trusted as proxies: {'; '.join(peers)}")
    return lines


def warnings(issuer: Issuer, loaded: LoadedIssuer) -> Iterator[str]:
    """Yield the risks and faults of *issuer*, which was made from *loaded*, that an operator should know."""
    if loaded.config.fetches_keys and issuer.iss is None:
        yield (
            f"issuer {issuer.name}: accepts tokens with any iss under its keys, and anyone who publishes the keys may "
            "sign for several issuers: set `issuer` to the exact iss"
        )
    if loaded.config.has_sessions:
        yield from _session_warnings(issuer, loaded.config)
    if loaded.store is not None and loaded.store.warning:
        yield f"issuer {issuer.name}: {loaded.store.where}: {loaded.store.warning}"
    for skipped in issuer.key_set.skipped:
        yield f"issuer {issuer.name}: skipped {skipped}"
    if loaded.accepts_jwts and ("exp",) not in issuer.required_claims:
        yield f"issuer {issuer.name}: accepts tokens without exp, which never expire: add exp to required_claims"


def _session_warnings(issuer: Issuer, config: IssuerConfig) -> Iterator[str]:
    names = cookie_names(config)
    if len(names) > 1:
        yield (
            f"issuer {issuer.name}: accepts the cookie {names[1].session_token} too, and a page over plain http can "
            f"set it, which {SECURE_PREFIX} prevents: set `url` or `cookies`"
        )
    if config.url is not None and config.url.startswith("http:") and not is_loopback(config.url):
        yield (
            f"issuer {issuer.name}: {config.url} is plain http: anyone on the network path can read and forge "
            "sessions and keys"
        )
