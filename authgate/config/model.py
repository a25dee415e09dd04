"""The configuration's model. docs/configuration.md and the JSON schema are made from it: write for the operator."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from authgate.config._report import did_you_mean
from authgate.core.identity import FIELDS
from authgate.tokens.algorithms import NAMES  # noqa: TC001 - pydantic needs it at run time


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
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 §5.6.2; RFC 6265 §4.1.1 for cookies
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


def _token(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header or cookie: letters, digits and !#$%&'*+.^_`|~-")
    return name


def _credential_header(name: str) -> str:
    canonical = "-".join(word.capitalize() for word in _token(name).split("-"))
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


def _not_a_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _seconds(value: object) -> object:
    try:
        return float(str(_not_a_boolean(value)))
    except ValueError:
        raise ValueError(f"{value!r:.40} is not a number of seconds: write 300, not 5m") from None


def _yaml_off(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads a bare off as false


_PROXY = re.compile(r"https?://(?:[!-.0-9:-?A-~]+@)?[!-.0-9:-?A-~]+/?")  # visible ASCII without @ and /


def _proxy(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    try:  # whatever is wrong with it, no message may quote it
        is_proxy = bool(_PROXY.fullmatch(text)) and urlsplit(text).port != 0
    except ValueError:
        is_proxy = False
    if not is_proxy:
        raise ValueError(
            "is not the URL of an HTTP proxy, as http://proxy:3128 or http://user:password@proxy:3128 (no socks)"
        )
    return url


Listen: TypeAlias = Annotated[str, AfterValidator(_listen)]
Token: TypeAlias = Annotated[str, AfterValidator(_token)]
NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


class CertificateConfig(_Model):
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


class AdminConfig(_Model):
    """The admin listener: /healthz, /readyz, /keys, /metrics. Never expose it to clients."""

    listen: Listen = "127.0.0.1:4191"
    """Where probes and Prometheus reach AuthGate, as for `listen`."""
    tls: Annotated[CertificateConfig | None, AfterValidator(_needs_a_port)] = None
    """TLS on the admin listener."""


class CredentialConfig(_Model):
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


class CsrfConfig(_Model):
    """Protection against requests that other sites make browsers send, cookie included."""

    mode: Annotated[Literal["enforce", "off"], BeforeValidator(_yaml_off)] = "enforce"
    """enforce: for unsafe methods and WebSocket handshakes a credential from a cookie counts only if the request comes
    from its own origin. off: every origin may send them."""
    allowed_origins: list[Annotated[str, AfterValidator(_origin)]] = []
    """Further origins that may, as https://app.example.com."""


class LogConfig(_Model):
    """What is logged, to standard error."""

    format: Literal["auto", "json", "text"] = "auto"
    """json: one object a line. text: for reading. auto: text on a terminal, else json."""
    allowed: bool | Annotated[float, Field(ge=0, le=1)] = False
    """Whether allowed requests are logged too: true, false, or the share of them to log, from 0 to 1."""
    details: bool = False
    """Whether refusals are logged with details, which may quote claims (issuer, audience, key id); never tokens."""


# Where an issuer's keys may come from: the settings that name a source, of which each issuer has one.
SECRET_SETTINGS = ("secret", "secret_file", "secret_env")
URL_SETTINGS = ("jwks_url", "discovery")
KEY_SETTINGS = (*SECRET_SETTINGS, "pem_file", "jwks_file", *URL_SETTINGS)
# What means something only for keys that come by URL.
FOR_URLS = ("allow_http", "refresh_seconds", "max_stale_seconds", "ca_file", "outbound_proxy")


class IssuerConfig(_Model):
    """Somebody whose tokens are accepted.

    Exactly one of secret, secret_file, secret_env, pem_file, jwks_file, jwks_url and discovery says where its keys are.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    """A name of your choice, for logs and metrics: lower-case letters, digits, - and _."""
    preset: Literal["jwt"]
    """What the issuer makes. jwt: signed JWTs (the other presets of the design come with later versions)."""
    secret: SecretStr | None = None
    """The shared secret itself. Prefer one of the next two."""
    secret_file: NonEmpty | None = None
    """A file with the shared secret; one newline at its end is not part of it."""
    secret_env: NonEmpty | None = None
    """The environment variable that holds the shared secret."""
    pem_file: NonEmpty | None = None
    """A file with public keys or certificates in PEM."""
    jwks_file: NonEmpty | None = None
    """A file with a JWK or a JWK Set of public keys."""
    jwks_url: NonEmpty | None = None
    """The https URL of a JWK Set of public keys: fetched at the start, and kept up to date as docs/keys.md says."""
    discovery: Annotated[bool, Field(strict=True)] = False
    """true: the URL of the JWK Set is taken from the metadata of `issuer` (OpenID Connect Discovery, or RFC 8414)."""
    allow_http: Annotated[bool, Field(strict=True)] = False
    """Whether the URLs may be plain http: then whoever is on the way can put keys of his own into the set."""
    refresh_seconds: Seconds = Field(default=300, ge=1, le=86400)
    """1 to 86400. How often a key set is fetched by URL; sooner, but not within about a minute, if its response says
    that it is fresh for less. While the issuer answers, a key that it took out verifies no more after this time."""
    cooldown_seconds: Seconds = Field(default=10, ge=1, le=3600)
    """1 to 3600, and refresh_seconds at most. How often, at most, tokens that name an unknown key, or whose signature
    does not hold under a public key, make AuthGate load the keys at once."""
    max_stale_seconds: Seconds = Field(default=86400, ge=1, le=2592000)
    """Up to 2592000, and refresh_seconds at least. How long the keys of the last good answer hold while their URL gives
    none. Then tokens are refused (503)."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the certificate of the URL, instead of the system's."""
    outbound_proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = None
    """The HTTP proxy to fetch through, as http://proxy:3128. It looks up the names: what it reaches is its affair."""
    issuer: NonEmpty | None = None
    """The exact `iss` of its tokens. Left out: any; at most one issuer may leave it out."""
    audiences: Literal["any"] | Annotated[list[NonEmpty], Field(min_length=1)] | None = None
    """The values of `aud` that are accepted, one of which the token must have; or any. Required in a file."""
    algorithms: Annotated[list[Literal[NAMES]], Field(min_length=1)] | None = None  # type: ignore[valid-type]
    """The signature algorithms accepted. Left out: all, each key for its own `alg`; a key without one
    for HS256 (secret), RS256 (RSA), ES256, ES384, ES512 (by curve), Ed25519 or Ed448."""
    required_claims: list[NonEmpty] = ["sub", "exp"]
    """Claims that every token must have; sub always. A token without exp never expires."""
    token_types: Annotated[list[NonEmpty], Field(min_length=1)] = ["JWT", "at+jwt"]
    """Values of the header's `typ` that are accepted, in any case. A token without `typ` is accepted."""

    @property
    def key_settings(self) -> tuple[str, ...]:
        """Those of KEY_SETTINGS that are set: one, if the issuer is sound."""
        return tuple(name for name in KEY_SETTINGS if getattr(self, name) not in {None, False})

    @property
    def by_url(self) -> bool:
        """Whether the keys are fetched."""
        return any(name in URL_SETTINGS for name in self.key_settings)

    @property
    def idle_settings(self) -> tuple[str, ...]:
        """Those that are set and mean nothing: they are for keys by URL."""
        return () if self.by_url else tuple(name for name in FOR_URLS if name in self.model_fields_set)


class Config(_Model):
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
    leeway_seconds: Annotated[float, BeforeValidator(_not_a_boolean), Field(ge=0, le=300)] = 30
    """How far the clocks may differ when a token's times are judged."""
    ready_when: Literal["any", "all"] = "any"
    """When /readyz says ready: as soon as any issuer can verify, or when all can."""
    issuers: list[IssuerConfig] = []
    """Whose tokens are accepted. None: taken from JWT_SECRET or BETTER_AUTH_SECRET."""
    credentials: Annotated[list[CredentialConfig], Field(min_length=1)] = Field(
        default=[{"header": "Authorization"}, {"cookie": "access_token"}], validate_default=True
    )
    """Where tokens are looked for, in this order; the first place that holds one decides."""
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
