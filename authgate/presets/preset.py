"""What a preset is: everything that AuthGate knows about one kind of issuer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from authgate.core.identity import FIELDS
from authgate.presets.settings import SECRET_SETTINGS, IssuerSettings, JwtSettings, SessionSettings
from authgate.tokens import session_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from authgate.core.credential import CredentialPlace
    from authgate.core.errors import Problem
    from authgate.core.keys import KeySet
    from authgate.core.snapshot import Issuer, TokenFormat
    from authgate.sessions.layouts import Layout
    from authgate.stores.store import LoadedStore
    from authgate.tokens.session_record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedIssuer:
    """One issuer: its settings with the defaults of its preset, and its session store, if it has one.

    *setting* is its place in the configuration, such as issuers[0]. *secrets* are those of the file or a variable;
    secret files are read with the keys. *wrong* are the names of settings that are wrong by themselves.
    """

    config: IssuerSettings
    setting: str
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    store: LoadedStore | None = None
    wrong: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Its name in messages; its place if the name is wrong."""
        return self.setting if "name" in self.wrong else self.config.name

    @property
    def jwts(self) -> JwtSettings | None:
        """Its settings for JWTs; None if it accepts none. The `iss` of its JWTs tells it from other issuers."""
        return self.config if isinstance(self.config, JwtSettings) and self.config.key_settings else None

    @property
    def sessions(self) -> SessionSettings | None:
        """Its settings for session cookies; None if it makes none, or if they cannot be read without a secret."""
        config = self.config
        if not config.has_sessions or not isinstance(config, SessionSettings):
            return None
        is_read = not config.only_with_secret or config.secret_settings or self.wrong & {*SECRET_SETTINGS}
        return config if is_read else None


Raw: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The environment variables from which an issuer is made if no file lists issuers.

    *usual* is the one that most people set to the secret. *secrets* are all that hold a secret; one that ends in
    `_FILE` holds the path of a file. *several* are those that hold several secrets, as 2:new,1:old. *urls* hold the
    front end's URL; with *has_several_urls* also several, separated by commas. *only_without_file*: other variables,
    and the settings that replace them in a file. *rivals* are groups of variables of which one at most may be set.
    *prefix* begins the names of all of them; "" if other programs use it, too.

    *issuer* returns the raw settings of the issuer; None if no secret is set. Given these, *problems* and *warnings*
    yield what is wrong with the variables, and what is probably not meant.
    """

    usual: str
    secrets: tuple[str, ...]
    issuer: Callable[[Mapping[str, str]], Raw | None]
    several: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    has_several_urls: bool = False
    only_without_file: Mapping[str, str] = field(default_factory=dict)
    rivals: tuple[tuple[str, ...], ...] = ()
    prefix: str = ""
    problems: Callable[[Mapping[str, str], Raw | None], Iterable[Problem]] = lambda _environ, _issuer: ()
    warnings: Callable[[Mapping[str, str], Raw | None], Iterable[str]] = lambda _environ, _issuer: ()


def secret_in(variable: str, environ: Mapping[str, str], *, several: bool = False) -> Raw:
    """Return the issuer's setting for the secret, or *several* secrets, in *variable*."""
    setting = "secrets" if several else "secret"
    if variable.endswith("_FILE"):
        return {f"{setting}_file": environ[variable]}
    return {f"{setting}_env": variable}


def several_urls(text: str) -> list[str]:
    """Return the URLs in *text*, which are separated by commas."""
    return [url.strip() for url in text.split(",")]


def accepted_sessions(library: str, issuer: Issuer, config: SessionSettings) -> str:
    """Return which session cookies of *library* the *issuer* of *config* accepts, and under which secret."""
    fingerprints = ", ".join(dict.fromkeys(key.secret_fingerprint or "" for key in issuer.session_key_set.keys))
    sentence = f"issuer {issuer.name} accepts {library} sessions in the cookie {' or '.join(config.cookie_names())} "
    return f"{sentence}under its secret with fingerprint {fingerprints}"


class DeriveKeys(Protocol):
    """Derives the keys of session cookies from secrets, the current one first."""

    def __call__(self, secrets: Sequence[bytes], cookie_names: Sequence[str], /, *, check: bool = True) -> KeySet:
        """Return the keys for the cookies of these names. Raise `BadKey` if a secret is unfit, unless *check* is False.

        Without *check*, unfit secrets give keys, too: to try what the other side may have.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How to configure an issuer, and how to read its tokens and sessions.

    *settings* is the model of such an issuer in the configuration, *variables* where it comes from without a file; None
    if it needs a file. *formats* returns the formats of its tokens. *announcement* returns a sentence for the start-up
    log about what it accepts. *library* is the name of the library or of the provider, for people. *places* returns the
    cookies and headers that its credentials are in, besides those of every configuration.

    An issuer with session cookies has the next ones, too. *cookie_format* is the format of its cookies, and
    *session_keys* derives their keys from the secrets. *stores* are the names of the session stores that can hold its
    sessions. *layouts* are its tables, without and with snake_case. *read_rows* makes a record of a stored session and
    its user, or raises ValueError; *row_format* is the format of such a session's identity.

    *states* returns the fields of `Identity` that a credential of the issuer can state; all others are always unknown.
    *states_accounts*: each of its sessions states whether the user is impersonated, anonymous or banned.
    *refused_accounts* returns the states of accounts that are refused under every policy: "banned", "anonymous".
    *has_members*: its database has a table of the members of organizations.
    """

    settings: type[IssuerSettings]
    formats: Callable[[LoadedIssuer], tuple[TokenFormat, ...]]
    variables: Variables | None = None
    library: str = ""
    cookie_format: TokenFormat | None = None
    session_keys: DeriveKeys | None = None
    announcement: Callable[[Issuer, LoadedIssuer], str] = lambda _issuer, _loaded: ""
    places: Callable[[Any], tuple[CredentialPlace, ...]] = lambda _: ()
    stores: tuple[str, ...] = ()
    layouts: tuple[Layout, Layout] | None = None
    read_rows: Callable[[object, object], Record] = session_record.read
    row_format: str = ""
    states: Callable[[LoadedIssuer], frozenset[str]] = lambda _: frozenset(FIELDS)
    states_accounts: bool = False
    refused_accounts: Callable[[Any], frozenset[str]] = lambda _: frozenset()
    has_members: bool = False
