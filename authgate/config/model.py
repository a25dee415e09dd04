"""The configuration's model. docs/configuration.md and the JSON schema are made from it: write for the operator."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from authgate.config._report import did_you_mean
from authgate.config._types import NonEmpty, Settings, Token, not_a_boolean, token, yaml_off
from authgate.config.issuer_model import IssuerConfig
from authgate.core.identity import FIELDS


def _network(value: object) -> object:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    if not isinstance(value, str):  # 1 would be read as 0.0.0.1
        raise ValueError("must be an address or a subnet, as 10.0.0.0/8")  # noqa: TRY004 - pydantic wants ValueError
    return ip_network(value)


Network: TypeAlias = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]

# Headers that the reply needs for itself, or that mean something to the proxy or the upstream's server.
_TAKEN_HEADERS = {
    *("Authorization", "Cookie", "Host", "Location", "Set-Cookie", "Www-Authenticate", "X-Authgate-Reason"),
    *("Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"),
    *("Cache-Control", "Content-Length", "Content-Type", "Date", "Retry-After", "Server"),
    *("Content-Encoding", "Expect", "Forwarded", "Origin", "Range", "Traceparent", "X-Request-Id"),
}
_TAKEN_PREFIXES = ("X-Forwarded-", "X-Original-", "Proxy-", "Sec-")
_CANONICAL_HEADER = re.compile(r"[A-Z][a-z0-9]*(?:-[A-Z0-9][a-z0-9]*)*")
_LISTEN = re.compile(r"unix:(?P<path>/.+)|(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")


def _listen(address: str) -> str:
    match = _LISTEN.fullmatch(address)
    if not match or (match["port"] and int(match["port"]) > 65535):
        raise ValueError("must be host:port, [ipv6]:port or unix:/path")
    return address


def _header_name(name: str) -> str:
    if not _CANONICAL_HEADER.fullmatch(name):
        # A proxy that compares names by case would not replace the client's own copy (H6).
        raise ValueError(
            f"{name!r} must be written canonically, like X-User-Id: words of letters and digits, no underscore"
        )
    if name in _TAKEN_HEADERS or name.startswith(_TAKEN_PREFIXES):
        raise ValueError(f"{name} has a meaning of its own and cannot carry an identity; choose an X- name")
    return name


def _source(source: str) -> str:
    if source not in FIELDS and not re.fullmatch(r"claims(?:\.[^.\s]+)+", source):
        raise ValueError(
            f"{source!r} is neither claims.<path> nor a field of the identity; {did_you_mean(source, FIELDS)}"
        )
    return source


def _credential_header(name: str) -> str:
    canonical = "-".join(word.capitalize() for word in token(name).split("-"))
    if canonical != "Authorization" and (canonical in _TAKEN_HEADERS or canonical.startswith(_TAKEN_PREFIXES)):
        raise ValueError(
            f"{name} has a meaning of its own and cannot carry a token; for cookies write {{cookie: name}}"
        )
    return name


def _origin(origin: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#@]+", origin):
        raise ValueError(f"{origin!r} is not an origin: scheme://host[:port], without a path")
    return origin.lower()


def _client_name(name: str) -> str:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return name
    raise ValueError(
        f"{name!r} is an address, which is not looked for in a certificate: write a DNS or URI name (SAN), or add the "
        "address to trusted_proxies"
    )


Listen: TypeAlias = Annotated[str, AfterValidator(_listen)]


class CertificateConfig(Settings):
    """TLS on a listener. The files are watched: a new certificate is shown to new connections within seconds."""

    certificate_file: NonEmpty
    """The certificate in PEM, the intermediate ones after it: `tls.crt` of a mounted kubernetes.io/tls secret."""
    key_file: NonEmpty
    """Its private key in PEM, not encrypted: `tls.key` of the secret."""


class TlsConfig(CertificateConfig):
    """TLS on `listen`; with `client_ca_file` also mutual TLS. The files are watched. docs/tls.md says more."""

    client_ca_file: NonEmpty | None = None
    """CA certificates in PEM, as `ca.crt`. A peer with a certificate that one of them signed is a trusted proxy
    whatever its address; one without is judged by trusted_proxies. A certificate of another CA ends the handshake."""
    client_names: Annotated[list[Annotated[NonEmpty, AfterValidator(_client_name)]], Field(min_length=1)] | None = (
        Field(default=None, validate_default=True)
    )
    """Of a peer's certificate, one DNS or URI name (SAN) must be listed, or the peer is judged by its address. Left
    out: every certificate of client_ca_file will do."""

    @field_validator("client_names")
    @classmethod
    def _names_need_a_ca(cls, names: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if names is not None and "client_ca_file" in info.data and info.data["client_ca_file"] is None:
            raise ValueError("means nothing without client_ca_file: nobody is asked for a certificate")
        return names


def _needs_a_port(tls: CertificateConfig | None, info: ValidationInfo) -> CertificateConfig | None:
    # `listen` is validated before: it stands above `tls`.
    if tls is not None and str(info.data.get("listen", "")).startswith("unix:"):
        raise ValueError(
            "is not spoken over a unix socket, which never leaves the machine: remove it, or listen at a port"
        )
    return tls


class AdminConfig(Settings):
    """The admin listener: /healthz, /readyz, /keys, /metrics. Never expose it to clients."""

    listen: Listen = "127.0.0.1:4191"
    """Where probes and Prometheus reach AuthGate, as for `listen`."""
    tls: Annotated[CertificateConfig | None, AfterValidator(_needs_a_port)] = None
    """TLS on the admin listener."""


class CredentialConfig(Settings):
    """One place where a token may be: exactly one of the two."""

    header: Annotated[str, AfterValidator(_credential_header)] | None = None
    """A request header. In Authorization the token follows "Bearer "; in any other header that word may be left out."""
    cookie: Token | None = None
    """A cookie, by its exact name."""

    @model_validator(mode="after")
    def _one_of_two(self) -> CredentialConfig:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("needs exactly one of header and cookie")
        return self


class CsrfConfig(Settings):
    """Protection against requests that other sites make browsers send, cookie included."""

    mode: Annotated[Literal["enforce", "off"], BeforeValidator(yaml_off)] = "enforce"
    """enforce: for unsafe methods and WebSocket handshakes a credential from a cookie counts only if the request comes
    from its own origin. off: every origin may send them."""
    allowed_origins: list[Annotated[str, AfterValidator(_origin)]] = []
    """Further origins that may, as https://app.example.com."""


class LogConfig(Settings):
    """What is logged, to standard error."""

    format: Literal["auto", "json", "text"] = "auto"
    """json: one object a line. text: for reading. auto: text on a terminal, else json."""
    allowed: bool | Annotated[float, Field(ge=0, le=1)] = False
    """Whether allowed requests are logged too: true, false, or the share of them to log, from 0 to 1."""
    details: bool = False
    """Whether refusals are logged with details, which may quote claims (issuer, audience, key id); never tokens."""


class Config(Settings):
    """AuthGate's configuration."""

    listen: Listen = "127.0.0.1:4190"
    """Where proxies ask: host:port, [ipv6]:port or unix:/path."""
    tls: Annotated[TlsConfig | None, AfterValidator(_needs_a_port)] = None
    """TLS on `listen`, optionally mutual. Left out: plain HTTP."""
    admin: AdminConfig = AdminConfig()
    unsafe_trust_all_proxies: bool = False
    """Needed to trust 0.0.0.0/0 or ::/0: then everybody who reaches `listen` can claim any URL."""
    trusted_proxies: list[Network] = Field(default=["127.0.0.0/8", "::1/128"], validate_default=True)
    """Addresses and subnets whose word is believed about a request: your proxies, nothing wider."""
    leeway_seconds: Annotated[float, BeforeValidator(not_a_boolean), Field(ge=0, le=300)] = 30
    """How far the clocks may differ when a token's times are judged."""
    ready_when: Literal["any", "all"] = "any"
    """When /readyz says ready: as soon as any issuer can verify, or when all can."""
    issuers: list[IssuerConfig] = []
    """Whose tokens are accepted. None: taken from JWT_SECRET, BETTER_AUTH_SECRET, AUTH_SECRET or NEXTAUTH_SECRET."""
    credentials: Annotated[list[CredentialConfig], Field(min_length=1)] = Field(
        default=[{"header": "Authorization"}, {"cookie": "access_token"}], validate_default=True
    )
    """Where tokens are looked for, in this order, and then session cookies; the first place that holds a credential
    decides. Of the default the cookie comes after session cookies, and only if there is an issuer of preset jwt."""
    headers: dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_source)]] = {
        "X-User-Id": "subject",
        "X-User-Email": "email",
        "X-User-Name": "name",
        "X-User-Roles": "roles",
    }
    """The headers of the reply and what they carry: a field of the identity, or claims.<path>. The list replaces the
    default. Every one is in every reply that allows, empty where there is no value."""
    csrf: CsrfConfig = CsrfConfig()
    log: LogConfig = LogConfig()
    workers: Literal[1] = 1
    """The number of processes. This version has one."""

    @field_validator("trusted_proxies")
    @classmethod
    def _trust_is_bounded(cls, networks: list[Network], info: ValidationInfo) -> list[Network]:
        # Collapsed: 0.0.0.0/1 and 128.0.0.0/1 are everybody, too. The switch is validated before: it stands above.
        of_4 = [*collapse_addresses(network for network in networks if isinstance(network, IPv4Network))]
        of_6 = [*collapse_addresses(network for network in networks if isinstance(network, IPv6Network))]
        everybody = [str(one) for one in of_4 if one.prefixlen == 0] + [str(one) for one in of_6 if one.prefixlen == 0]
        if everybody and not info.data.get("unsafe_trust_all_proxies"):
            raise ValueError(
                f"{everybody[0]} trusts everybody; name your proxies, or set unsafe_trust_all_proxies: true"
            )
        return networks
