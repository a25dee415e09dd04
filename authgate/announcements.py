"""The lines of the start-up log: what each issuer accepts, which peers are trusted, and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.snapshot import Accept
from authgate.presets import PRESETS
from authgate.presets.settings import SECRET_SETTINGS, SECURE_PREFIX, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from authgate.config.model import Config
    from authgate.core.snapshot import Issuer
    from authgate.presets.preset import LoadedIssuer
    from authgate.presets.settings import JwtSettings, SessionSettings

_NAMED_AT_MOST = 10  # issuers in one warning
_KINDS = {Accept.ACCESS_TOKEN: "JWTs", Accept.ID_TOKEN: "ID tokens", Accept.ANY: "access and ID tokens"}


def for_issuer(issuer: Issuer, loaded: LoadedIssuer) -> Iterator[str]:
    """Yield sentences that say what *issuer*, which was made from *loaded*, accepts and what it does not."""
    if sentence := PRESETS[loaded.config.preset].announcement(issuer, loaded):
        yield sentence
    if loaded.jwts is not None:
        sentence = _jwts(issuer, loaded.jwts)
        yield sentence if loaded.config.has_sessions else f"{sentence}; {_own_places(loaded)}"
    if issuer.subject_prefix:
        yield f"issuer {issuer.name}: the ids of its users begin with {issuer.subject_prefix}"


def _own_places(loaded: LoadedIssuer) -> str:
    """Return where JWTs of an issuer without session cookies may be, besides the places of every issuer."""
    places = PRESETS[loaded.config.preset].places(loaded.config)
    named = [f"header {place.name}" for place in places if isinstance(place, HeaderPlace)]
    named += [f"cookie {place.name}" for place in places if isinstance(place, CookiePlace)]
    return f"it also looks in {', '.join(named)}" if named else "it accepts no session cookies"


def _jwts(issuer: Issuer, config: JwtSettings) -> str:
    names = "/".join(sorted({key.algorithm for key in issuer.key_set.keys} or {*(config.algorithms or ["signed"])}))
    iss = f"iss {' or '.join((issuer.iss, *sorted(issuer.also_iss)))}" if issuer.iss else "any iss"
    aud = f"aud {' or '.join(sorted(issuer.audiences))}" if issuer.audiences else "any aud"
    if config.fetches_keys:
        keys = f"public keys from {config.jwks_url or 'the URL in its metadata'}"
    elif config.key_settings[0] in SECRET_SETTINGS:
        keys = str(issuer.key_set.keys[0])
    else:
        kind = "secret" if issuer.key_set.keys[0].is_symmetric else "public"
        count = len(issuer.key_set.keys)
        keys = f"{count} {kind} key{'s' * (count != 1)}"
    return f"issuer {issuer.name} accepts {names} {_KINDS[issuer.accept]} with {iss} and {aud} under its {keys}"


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
    demands_client = any(demand.names_client for demand in issuer.demands)
    names_clients = issuer.audiences is not None or demands_client or not loaded.config.takes("require_claims")
    if not names_clients and not any(key.is_symmetric for key in issuer.key_set.keys):
        yield (
            f"issuer {issuer.name}: accepts the tokens of every application of the issuer, because audiences is any: "
            "name your client, for example require_claims: {client_id: [tasks-web]}, or azp"
        )
    for advice in loaded.config.advice():
        yield f"issuer {issuer.name}: {advice}"
    if loaded.sessions is not None:
        yield from _session_warnings(issuer, loaded.sessions)
    if loaded.store is not None and loaded.store.warning:
        yield f"issuer {issuer.name}: {loaded.store.where}: {loaded.store.warning}"
    for warning in (*issuer.key_set.warnings, *issuer.session_key_set.warnings):
        yield f"issuer {issuer.name}: {warning}"
    for skipped in issuer.key_set.unfit:
        yield f"issuer {issuer.name}: skipped {skipped}"
    if loaded.jwts is not None and ("exp",) not in issuer.required_claims:
        yield f"issuer {issuer.name}: accepts tokens without exp, which never expire: add exp to required_claims"


def shared_secrets(verifying: Sequence[tuple[Issuer, LoadedIssuer]]) -> Iterator[str]:
    """Yield the issuers that have one secret, though their prefixes say that their users are other people."""
    by_secret: dict[bytes, list[Issuer]] = {}
    for issuer, loaded in verifying:
        for secret in _secrets(issuer, loaded):
            by_secret.setdefault(secret, []).append(issuer)
    # Issuers may share several secrets, and one secret is there in two forms.
    shared = {tuple(issuer.name for issuer in those): those for those in by_secret.values() if len(those) > 1}
    for names, those in shared.items():
        if any(issuer.subject_prefix for issuer in those):
            yield (
                f"issuers {_listed(names)} have the same secret: each can make users of the other"
                f"{'s' * (len(names) > 2)}: give each a secret of its own"
            )


def _listed(names: Sequence[str]) -> str:
    """Return "a and b", "a, b and c", or the first of many names and how many more there are."""
    if len(names) > _NAMED_AT_MOST:
        names = (*names[: _NAMED_AT_MOST - 1], f"{len(names) - _NAMED_AT_MOST + 1} more")
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _secrets(issuer: Issuer, loaded: LoadedIssuer) -> frozenset[bytes]:
    keys = (*issuer.key_set.keys, *issuer.session_key_set.keys)
    return frozenset((*loaded.secrets, *(key.thumbprint for key in keys if key.is_symmetric)))


def _session_warnings(issuer: Issuer, config: SessionSettings) -> Iterator[str]:
    names = config.cookie_names()
    if len(names) > 1:
        yield (
            f"issuer {issuer.name}: accepts the cookie {names[1]} too, and a page over plain http can "
            f"set it, which {SECURE_PREFIX} prevents: set `url` or `cookies`"
        )
    for url in config.urls:
        if url.startswith("http:") and not is_loopback(url):
            yield (
                f"issuer {issuer.name}: {url} is plain http: anyone on the network path can read and forge sessions "
                "and keys"
            )


def several_secrets(issuers: Iterable[LoadedIssuer], fingerprints: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning if issuers of the environment have different secrets, as nobody says whose users they have.

    In a file, each issuer but the first states a prefix. *fingerprints* are those of the secrets, by the issuer's name.
    """
    names = [issuer.config.name for issuer in issuers if issuer.config.subject_prefix is None]
    if len({fingerprints.get(name) for name in names}) > 1:
        yield (
            f"issuers {' and '.join(names)} have different secrets, and the same id at both is one user: anybody who "
            "has one of the secrets can make tokens for every user. If they are not one authority, list `issuers` in a "
            "file, with subject_prefix"
        )
