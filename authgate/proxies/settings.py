"""What the configuration of every proxy is generated from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.config.model import Config
from authgate.core.credential import CookiePlace, HeaderPlace, SessionPlace
from authgate.core.pages import PLAIN_LOOK, Look
from authgate.core.redirects import COOKIE
from authgate.core.spellings import SPELLINGS, Spelling
from authgate.policies import header_names, make_policies, make_reading, make_refusals
from authgate.presets import default_cookie_names
from authgate.presets.settings import SECURE_PREFIX

if TYPE_CHECKING:
    from authgate.config.load import LoadedConfig
    from authgate.core.credential import CredentialPlace

DEFAULT_ADDRESS = "127.0.0.1:4190"
OWN_COOKIE = rf"(?:__Host-)?{COOKIE}"  # a pattern; services have no use for this cookie


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """The facts of a configuration that a proxy's configuration depends on.

    *identity_headers* are the headers of AuthGate's replies, over all policies. *credential_headers* and *cookies* hold
    credentials; a cookie's name has no prefix `__Secure-` or `__Host-`. *allowed_origins* are the origins whose pages
    may read a refusal, over all policies. *look* is that of pages for people. *refused* are the spellings of paths that
    are refused. *address* is AuthGate's: host:port, unix:/path, or https://host:port if it serves TLS. The proxy then
    has a certificate of its own if *shows_certificate*. *certificates* is the folder of `ca.crt`, `tls.crt` and
    `tls.key` on the proxy's machine; None is the proxy's usual one. *behind* are the networks of another proxy, before
    this one.
    """

    identity_headers: tuple[str, ...]
    credential_headers: tuple[str, ...]
    cookies: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    refused: tuple[Spelling, ...]
    address: str
    look: Look = PLAIN_LOOK
    shows_certificate: bool = True
    certificates: str | None = None
    behind: tuple[str, ...] = ()

    @property
    def reserved_headers(self) -> tuple[str, ...]:
        """The headers that no client may send: those of the replies, and the default ones, which services still read.

        The proxy copies all of them: a header that the reply does not have is removed.
        """
        return tuple(dict.fromkeys((*self.identity_headers, *Config.model_fields["headers"].default)))

    @property
    def data(self) -> tuple[Spelling, ...]:
        """The spellings that `paths` takes as data. Only AuthGate can decide about them: public routes refuse them."""
        return tuple(spelling for spelling in SPELLINGS if spelling not in self.refused)

    @property
    def is_tls(self) -> bool:
        """Whether the proxy asks AuthGate over TLS."""
        return self.address.startswith("https://")

    @property
    def host(self) -> str:
        """The host of the address, without the port."""
        return self.host_port.rpartition(":")[0]

    @property
    def host_port(self) -> str:
        """The address without its scheme."""
        return self.address.removeprefix("https://")

    @property
    def url(self) -> str:
        """The address as a URL."""
        return self.address if self.is_tls else f"http://{self.address}"


def default_settings(address: str | None = None) -> ProxySettings:
    """Return the settings of a configuration that leaves all to the defaults, for the cookies of every preset."""
    return ProxySettings(
        identity_headers=tuple(Config.model_fields["headers"].default),
        credential_headers=("Authorization",),
        cookies=("access_token", *default_cookie_names()),
        allowed_origins=(),
        refused=SPELLINGS,
        address=address or DEFAULT_ADDRESS,
    )


def proxy_settings(config: Config, loaded: LoadedConfig, address: str | None = None) -> ProxySettings:
    """Return the settings of *config*, which *loaded* holds without problems."""
    policies, reading = make_policies(config, loaded.issuers), make_reading(config.paths)
    places = [place for policy in policies.policies for place in policy.places]
    refusals = make_refusals(config)
    rules = (refusals.cors, *(policy.cors for policy in policies.policies))
    return ProxySettings(
        identity_headers=header_names(config),
        credential_headers=tuple(dict.fromkeys(place.name for place in places if isinstance(place, HeaderPlace))),
        cookies=tuple(dict.fromkeys(name for place in places for name in _cookies(place))),
        allowed_origins=tuple(sorted({origin for rule in rules for origin in rule.allowed_origins})),
        look=refusals.look,
        refused=tuple(spelling for spelling in SPELLINGS if spelling.setting not in reading.data),
        address=_served(address or _reachable(config.listen), config),
        shows_certificate=config.tls is not None and config.tls.client_ca_file is not None,
    )


def _reachable(listen: str) -> str:
    """Return where a proxy on the same machine finds an AuthGate that listens at *listen*."""
    return re.sub(r"^(?:0\.0\.0\.0|\[::\]):", "127.0.0.1:", listen)


def _served(address: str, config: Config) -> str:
    """Return *address* with https:// if AuthGate serves TLS there."""
    is_https = config.tls is not None and not address.startswith(("https://", "unix:"))
    return f"https://{address}" if is_https else address


def cookie_pattern(names: tuple[str, ...]) -> str:
    """Return a pattern for the names of cookies that hold credentials, with any prefix and as chunks."""
    if not names:
        return r"[^\s\S]"  # matches nothing
    escaped = (re.escape(name).replace(r"\-", "-") for name in names)
    return rf"(?:__(?:Secure|Host)-)?(?:{'|'.join(escaped)})(?:\.\d+)?"


def _cookies(place: CredentialPlace) -> tuple[str, ...]:
    """Return the names of the cookies in *place*, without a prefix that browsers give a meaning to."""
    names: tuple[str, ...] = ()
    if isinstance(place, SessionPlace):
        names = (place.name, place.data_name)
    elif isinstance(place, CookiePlace):
        names = (place.name,)
    return tuple(name.removeprefix(SECURE_PREFIX).removeprefix("__Host-") for name in names if name)
