"""The model of the configuration.

docs/configuration.md and the JSON schema are generated from it: write the descriptions for operators.
"""

from __future__ import annotations

import contextlib
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from authgate.config._outbound import redacted
from authgate.config._types import (
    FEW,
    MANY,
    SEVERAL,
    NonEmpty,
    Settings,
    at_most,
    not_a_boolean,
    not_null,
    with_mistake,
)
from authgate.config.listening import ADMIN_LISTEN, LISTEN, is_address
from authgate.config.networks import Network, network
from authgate.config.policy_model import CredentialConfig, CsrfConfig, HeaderName, PathsConfig, PolicyConfig, Source
from authgate.config.refusal_model import CorsConfig, LoginUrl, PageConfig, ReturnHost, ReturnParameter
from authgate.core.networks import every_address
from authgate.presets import IssuerConfig
from authgate.waiting import MAX_DECISIONS_IN_FLIGHT


def _listen(address: str) -> str:
    if not is_address(address):
        raise ValueError(
            f"{redacted(address)} is not an address to listen at: write host:port, [ipv6]:port or unix:/path"
        )
    return address


def _client_name(name: str) -> str:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return name
    raise ValueError(
        f"{redacted(name)} is an address, and only DNS and URI names (SAN) of a certificate are compared: write one of "
        "these, or add the address to trusted_proxies"
    )


Listen: TypeAlias = Annotated[str, AfterValidator(_listen)]


class CertificateConfig(Settings):
    """TLS on a listener. AuthGate watches the files: new connections get a new certificate within seconds."""

    certificate_file: NonEmpty
    """The certificate in PEM, followed by its intermediate certificates: `tls.crt` of a mounted kubernetes.io/tls
    secret."""
    key_file: NonEmpty
    """The certificate's private key in PEM, not encrypted: `tls.key` of the secret."""


class TlsConfig(CertificateConfig):
    """TLS on `listen`, and with `client_ca_file` mutual TLS. AuthGate watches the files. See docs/tls.md."""

    client_ca_file: NonEmpty | None = None
    """CA certificates in PEM, such as `ca.crt` of the secret. A peer with a certificate that one of them signed is a
    trusted proxy, whatever its address. For a peer without a certificate, trusted_proxies decides. A certificate of
    another CA ends the handshake."""
    client_names: (
        Annotated[list[Annotated[NonEmpty, AfterValidator(_client_name)]], Field(min_length=1, max_length=MANY)] | None
    ) = None
    """The accepted DNS and URI names (SAN) of client certificates. For a peer whose certificate has none of them, its
    address decides. Default: every certificate of client_ca_file is accepted."""

    _not_null = field_validator("client_names", mode="before")(not_null)

    @field_validator("client_names", mode="wrap")
    @classmethod
    def _names_need_a_ca(
        cls,
        value: object,
        handler: ValidatorFunctionWrapHandler,
        info: ValidationInfo,
    ) -> list[str] | None:
        message = "has no effect without client_ca_file: no peer is asked for a certificate"
        has_no_ca = "client_ca_file" in info.data and info.data["client_ca_file"] is None
        names: list[str] | None = _checked(value, handler, message if value is not None and has_no_ca else None)
        return names


def _checked(value: object, handler: ValidatorFunctionWrapHandler, message: str | None) -> Any:  # noqa: ANN401 - of any type
    """Return what *handler* makes of *value*; report *message*, if any, together with the mistakes within *value*."""
    try:
        valid = handler(value)
    except ValidationError as error:
        raise error if message is None else with_mistake(error, message, value) from None
    if message is not None:
        raise ValueError(message)
    return valid


def _needs_a_port(value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    # pydantic validates `listen` first, because it is declared before `tls`.
    message = "has no effect on a unix socket, which never leaves the machine: remove it, or listen at host:port"
    is_socket = str(info.data.get("listen", "")).startswith("unix:")
    return _checked(value, handler, message if value is not None and is_socket else None)


class AdminConfig(Settings):
    """The admin listener: /healthz, /readyz, /keys and /metrics. Never expose it to clients."""

    listen: Listen = ADMIN_LISTEN
    """The address for probes and Prometheus, written like `listen` above."""
    tls: Annotated[CertificateConfig | None, WrapValidator(_needs_a_port)] = None
    """TLS on the admin listener. Default: plain HTTP."""


class LogConfig(Settings):
    """The log, which goes to standard error. See docs/log.md."""

    format: Literal["auto", "json", "text"] = "auto"
    """json: one object a line. text: for people. auto: text on a terminal, json elsewhere."""
    allowed: bool | Annotated[float, Field(ge=0, le=1)] = False
    """Whether to log allowed requests too: true, false, or the share of them to log, from 0 to 1."""
    details: bool = False
    """Whether to log the details of refusals. Details may quote claims (issuer, audience, key id), never tokens."""


class LimitsConfig(Settings):
    """The bounds of one AuthGate process."""

    decisions_in_flight: Annotated[int, BeforeValidator(not_a_boolean), Field(ge=1, le=MAX_DECISIONS_IN_FLIGHT)] = 512
    """1 to 65536. How many decisions may wait for keys or session stores at the same time, over all issuers. When more
    want to, those of the client address with the most of them are refused at once: 503 `overloaded`. Decisions that
    wait for nothing do not count."""
    cache_megabytes: Annotated[int, BeforeValidator(not_a_boolean), Field(ge=8, le=16_384)] = 24
    """8 to 16384. How many MiB of memory all caches together may take: verified tokens, sessions, and tokens without a
    session. The caches of all issuers share them fairly. Bad credentials have a cache of their own, which takes an
    eighth in addition. docs/deployment.md says what else a container needs."""

    @property
    def cache_bytes(self) -> int:
        """`cache_megabytes` in bytes."""
        return self.cache_megabytes * 1024 * 1024


class Config(Settings):
    """AuthGate's configuration."""

    listen: Listen = LISTEN
    """The address for proxies: host:port, [ipv6]:port or unix:/path."""
    tls: Annotated[TlsConfig | None, WrapValidator(_needs_a_port)] = None
    """TLS on `listen`, optionally mutual. Default: plain HTTP."""
    admin: AdminConfig = AdminConfig()
    unsafe_trust_all_proxies: bool = False
    """Allows 0.0.0.0/0 and ::/0 in trusted_proxies. Then everybody who reaches `listen` can claim any URL."""
    trusted_proxies: list[Network] = Field(default=["127.0.0.0/8", "::1/128"], max_length=MANY, validate_default=True)
    """The addresses and subnets of your proxies, and nothing wider. AuthGate trusts what they report of a request."""
    leeway_seconds: Annotated[float, BeforeValidator(not_a_boolean), Field(ge=0, le=300)] = 30
    """0 to 300. How far the clocks of AuthGate and an issuer may differ when it checks the times of a token."""
    ready_when: Literal["any", "all"] = "any"
    """When /readyz reports ready: when any issuer can verify tokens, or only when all of them can."""
    issuers: Annotated[list[IssuerConfig], Field(max_length=MANY)] = []
    """The issuers whose tokens and sessions are accepted. Default: those of JWT_SECRET, BETTER_AUTH_SECRET, AUTH_SECRET
    and NEXTAUTH_SECRET."""
    credentials: Annotated[list[CredentialConfig], Field(min_length=1, max_length=FEW)] = Field(
        default=[{"header": "Authorization"}, {"cookie": "access_token"}], validate_default=True
    )
    """Where to look for credentials, in this order. The first place that holds one decides. Session cookies come last
    unless the list names them with `session`. The default looks for its cookie after the session cookies, and only if
    an issuer has preset jwt. If every issuer has a header of its own, such as that of Cloudflare Access, Authorization
    comes last."""
    headers: Annotated[dict[HeaderName, Source], at_most(FEW)] = {
        "X-User-Id": "subject",
        "X-User-Email": "email",
        "X-User-Name": "name",
        "X-User-Roles": "roles",
    }
    """The headers of the reply, each with its source: a field of the identity, or `claims.<path>`. Your list replaces
    the default. Every reply that allows a request has all of them; a header without a value is empty.
    The proxies remove the default headers from requests of clients also where your list does not name them.
    X-User-Id never is for a signed-in user: a user without a value there is refused."""
    csrf: CsrfConfig = CsrfConfig()
    policies: Annotated[list[PolicyConfig], Field(min_length=1, max_length=MANY)] | None = None
    """Who may do what. The first policy that matches a request decides; a request that none matches is refused.
    Default: one policy, under which every request requires a signed-in user."""
    paths: PathsConfig = PathsConfig()
    login_url: LoginUrl | None = None
    """The page where users sign in, an absolute URL. A browser that needs a session is redirected there, with the
    address of the page that it asked for. Scripts and other programs get 401. Default: nobody is redirected."""
    return_parameter: ReturnParameter = "return_to"
    """The query parameter of login_url that holds the address to go back to."""
    return_hosts: Annotated[list[ReturnHost], Field(min_length=1, max_length=SEVERAL)] | None = None
    """The hosts that users may be sent back to, with the port if it is not the usual one of the scheme. For a page of
    another host, only its path and query are given. Default: the hosts of login_url, of the issuers' `url`, and those
    that policies name exactly."""
    cors: CorsConfig = CorsConfig()
    page: PageConfig = PageConfig()
    log: LogConfig = LogConfig()
    limits: LimitsConfig = LimitsConfig()
    fast_lane: bool = True
    """Whether AuthGate reads plain subrequests itself, in a third of the time that aiohttp takes. The replies are the
    same."""
    workers: Literal[1] = 1
    """The number of processes. This version runs one."""

    _not_null = field_validator("tls", "issuers", "policies", "return_hosts", mode="before")(not_null)

    @field_validator("trusted_proxies", mode="wrap")
    @classmethod
    def _trust_is_bounded(
        cls,
        value: object,
        handler: ValidatorFunctionWrapHandler,
        info: ValidationInfo,
    ) -> list[Network]:
        # pydantic validates the switch first, because it is declared first; where it is invalid, it is not known.
        may_trust_all = info.data.get("unsafe_trust_all_proxies", True)
        try:
            networks: list[Network] = handler(value)
        except ValidationError as error:
            message = None if may_trust_all else _unbounded_trust(_networks_in(value))
            raise error if message is None else with_mistake(error, message, value) from None
        if not may_trust_all and (message := _unbounded_trust(networks)):
            raise ValueError(message)
        return networks


def _unbounded_trust(networks: list[Network]) -> str | None:
    """Return what is wrong with *networks* if together they are every IPv4 or every IPv6 address; else None."""
    everything = every_address(networks)
    if everything is None:
        return None
    return f"{everything} trusts everybody: list your proxies, or set unsafe_trust_all_proxies: true"


def _networks_in(value: object) -> list[Network]:
    """Return the valid networks in the list *value*."""
    networks: list[Network] = []
    for item in value if isinstance(value, list) else []:
        with contextlib.suppress(ValueError):
            networks.append(network(item))
    return networks
