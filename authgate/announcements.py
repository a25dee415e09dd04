"""What AuthGate says at its start: what each issuer accepts, whom the listeners trust, what to beware of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.config.model import SECRET_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.config._issuers import ReadIssuer
    from authgate.config.model import Config
    from authgate.core.snapshot import Issuer


def issuer(issuer: Issuer, entry: ReadIssuer) -> str:
    """Return in one sentence what *issuer*, configured by *entry*, accepts and what not."""
    names = "/".join(sorted({key.algorithm for key in issuer.keys.keys} or {*(entry.config.algorithms or ["signed"])}))
    iss = f"iss {issuer.issuer}" if issuer.issuer else "any iss"
    aud = f"aud {' or '.join(sorted(issuer.audiences))}" if issuer.audiences else "any aud"
    if entry.config.by_url:
        under = f"public keys, kept up to date from {entry.config.jwks_url or 'where its metadata says'}"
    elif entry.config.key_settings[0] in SECRET_SETTINGS:
        under = str(issuer.keys.keys[0])
    else:
        kind = "secret" if issuer.keys.keys[0].is_symmetric else "public"
        count = len(issuer.keys.keys)
        under = f"{count} {kind} key{'s' * (count != 1)}"
    return (
        f"issuer {issuer.name} accepts {names} JWTs with {iss} and {aud} under its {under}; "
        "opaque session cookies and encrypted tokens are not accepted"
    )


def tls(config: Config, serials: Mapping[str, str]) -> list[str]:
    """Return which listeners speak TLS, by the *serials* of their certificates, and whom they trust."""
    told = [f"{setting}: TLS with the certificate of serial {serial}" for setting, serial in serials.items()]
    if config.tls is not None:
        whom = [", ".join(str(network) for network in config.trusted_proxies)] if config.trusted_proxies else []
        if config.tls.client_ca_file is not None:
            names = f" that names {' or '.join(config.tls.client_names)}" if config.tls.client_names else ""
            whom.append(f"every peer with a certificate of tls.client_ca_file{names}")
        told.append(f"trusted as proxies: {'; '.join(whom)}")
    return told


def warnings(issuer: Issuer, entry: ReadIssuer) -> Iterator[str]:
    """Yield what an operator should know of *issuer*, configured by *entry*, before somebody else finds out."""
    if entry.config.by_url and issuer.issuer is None:
        yield (
            f"issuer {issuer.name}: tokens of any iss under its keys pass, and who publishes keys may sign for many: "
            "set `issuer` to the exact iss"
        )
    for skipped in issuer.keys.skipped:
        yield f"issuer {issuer.name}: skipped {skipped}"
    if "exp" not in issuer.required_claims:
        yield f"issuer {issuer.name}: a token without exp never expires, and required_claims does not ask for it"
