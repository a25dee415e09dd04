"""Parse a DSN of PostgreSQL, as libpq, Prisma, SQLAlchemy, node-postgres, Neon and Supabase write it.

The driver's own parser is not used: it sends every unknown parameter to the server, which poolers refuse, and it reads
variables and files of the machine. No message quotes a password, or anything that may be a part of one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

DEFAULT_PORT = 5432
MAX_DSN_CHARACTERS = 4096

_SCHEME = re.compile(r"postgres(ql)?(\+[a-z0-9_]+)?")  # SQLAlchemy names its driver after a "+"
_SOCKET_FOLDER = re.compile(r"%2[fF][^:]*")
_PARAMETER = re.compile(r"[A-Za-z_]{1,40}")
_TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
# Other names: "allow" is libpq's and tries clear text first, which "prefer" does not; "no-verify" is node-postgres's.
_TLS_ALIASES = {"allow": "prefer", "no-verify": "require"}
_SSL_FLAGS = {"true": "require", "1": "require", "false": "disable", "0": "disable"}

# Parameters for other clients, which AuthGate ignores: pools, prepared statements, timeouts, names.
_IGNORED = frozenset(
    {
        *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "single_use_connections"),  # Prisma
        *("statement_cache_size", "prepared_statement_cache_size", "prepare", "prepared_statements"),
        *("connect_timeout", "application_name", "fallback_application_name", "client_encoding", "gssencmode"),  # libpq
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslsni"),
        *("pool_max_conns", "pool_min_conns", "pool_mode", "max", "uselibpqcompat", "supa", "workaround"),
    }
)
# Parameters with values that AuthGate can ignore, because it behaves like that anyway.
_HARMLESS = {
    "target_session_attrs": {"any", "prefer-standby"},
    "sslnegotiation": {"postgres"},
    "sslcompression": {"0"},
    "channel_binding": {"prefer", "disable"},
    "sslaccept": {"accept_invalid_certs"},
}
_FIXES = {
    "sslcert": "client certificates are not supported",
    "sslkey": "client certificates are not supported",
    "sslidentity": "client certificates are not supported",
    "options": "AuthGate sends no server settings, because poolers refuse them; for a schema set db_schema",
    "search_path": "for a schema set db_schema",
    "passfile": "write the password into the URL",
    "service": "write the server into the URL",
}
_FORM = "postgresql://user:password@host:5432/database"
_ENCODE = "in a user or a password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """A database and how to connect to it. *host* may be the folder of a unix socket.

    *tls* is one of libpq's sslmodes. Only the CAs in *ca_file* are trusted; None: those of the system. *schema* is ""
    if the DSN has none.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    tls: str
    ca_file: str | None
    schema: str

    @property
    def where(self) -> str:
        """The address for messages: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.database}"

    @property
    def is_socket(self) -> bool:
        """Whether *host* is the folder of a unix socket."""
        return self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Whether the connection does not leave this machine."""
        if self.is_socket or self.host.lower() == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def warning(self) -> str | None:
        """A message for the start-up log, None if there is nothing to warn about."""
        if self.is_local or self.tls not in {"disable", "prefer"}:
            return None
        return (
            "the connection to the database may be in clear text, and others on the network path could read it: add "
            "sslmode=verify-full, or sslmode=require if its certificate cannot be verified"
        )


def dsn_fault(dsn: str, ca_file: str | None = None) -> str | None:
    """Return why *dsn* cannot be used, None if it can. Never quotes the password."""
    try:
        parse_dsn(dsn, ca_file)
    except ValueError as error:
        return str(error)
    return None


def parse_dsn(dsn: str, ca_file: str | None = None) -> PostgresAddress:
    """Return the address in *dsn*. Raises ValueError, without quoting the password.

    *ca_file* has the effect of sslrootcert: without an sslmode, it means verify-full.
    """
    parts = _split(dsn)
    query = _query(parts)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    host = query.pop("host", "") or _host(parts)
    database = query.pop("dbname", "") or query.pop("database", "") or unquote(parts.path.removeprefix("/"))
    user = query.pop("user", "") or unquote(user)
    if "," in parts.netloc.rpartition("@")[2] or "," in host:
        raise ValueError("has several hosts: write one")
    if not host or not user:
        raise ValueError(f"has no {'user' if host else 'host'}: write {_FORM}; {_ENCODE}")
    if {*"@/"} & {*parts.path[1:]}:
        raise ValueError(f"has an @ or a / in the name of the database; {_ENCODE}")
    if any("\0" in part for part in (host, user, unquote(password), database)):
        raise ValueError("contains a NUL")
    tls, roots = _tls(query, ca_file)
    schema = query.pop("schema", "")
    _refuse_unknown(query)
    return PostgresAddress(
        host=host,
        port=_port(parts, query),
        database=database or user,
        user=user,
        password=query.pop("password", "") or unquote(password),
        tls=tls,
        ca_file=roots,
        schema=schema,
    )


def _split(dsn: str) -> SplitResult:
    if len(dsn) > MAX_DSN_CHARACTERS or not dsn.isprintable() or " " in dsn:
        raise ValueError(f"is longer than {MAX_DSN_CHARACTERS} characters, or contains white space")
    try:
        parts = urlsplit(dsn)
        scheme = parts.scheme
    except ValueError:  # its message may quote a part of the password
        raise ValueError(f"is not a URL; {_ENCODE}") from None
    if scheme.startswith("prisma"):
        raise ValueError("is an address of Prisma Accelerate: write the address of the database itself")
    if not _SCHEME.fullmatch(scheme) or "://" not in dsn:
        raise ValueError(f"is not a URL like {_FORM}")
    if parts.fragment or "#" in dsn:
        raise ValueError(f"contains a #; {_ENCODE}")
    return parts


def _host(parts: SplitResult) -> str:
    socket = _SOCKET_FOLDER.match(parts.netloc.rpartition("@")[2])
    return unquote(socket[0]) if socket else (parts.hostname or "")


def _query(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=64)
    query = dict(pairs)
    if len(query) != len(pairs):
        raise ValueError("has a parameter twice: remove one")
    return query


def _port(parts: SplitResult, query: dict[str, str]) -> int:
    try:
        port = int(query.pop("port", "") or (DEFAULT_PORT if parts.port is None else parts.port))
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise ValueError(f"has a port that is not a number from 1 to 65535; {_ENCODE}")
    return port


def _tls(query: dict[str, str], ca_file: str | None) -> tuple[str, str | None]:
    """Return the sslmode and the CA file, None for the CAs of the system."""
    roots = query.pop("sslrootcert", "") or None
    if ca_file and roots:
        raise ValueError("has sslrootcert, and ca_file is set, too: remove one of them")
    mode = query.pop("sslmode", "") or _SSL_FLAGS.get(query.get("ssl", ""), query.get("ssl", ""))
    query.pop("ssl", None)
    mode = _TLS_ALIASES.get(mode, mode)
    if mode and mode not in _TLS_MODES:
        raise ValueError(f"has an unknown sslmode: write {', '.join(_TLS_MODES[:-1])} or {_TLS_MODES[-1]}")
    # The driver cannot bind a channel (SCRAM-SHA-256-PLUS), which keeps out a man in the middle. A verified certificate
    # keeps one out as well.
    strict = query.get("channel_binding") == "require" or query.get("sslaccept") == "strict" or roots == "system"
    if strict:
        query.pop("channel_binding", None)
        query.pop("sslaccept", None)
    trusted = None if roots == "system" else (ca_file or roots)
    if mode == "disable" and (trusted or strict):
        raise ValueError("has sslmode=disable, although other settings require TLS: remove one of them")
    if strict or not mode:
        mode = "verify-full" if strict or trusted else "prefer"
    elif mode in {"prefer", "require"} and trusted:
        mode = "verify-ca"  # as libpq does for require; it would not use the CA file otherwise
    return mode, trusted


def _refuse_unknown(query: Mapping[str, str]) -> None:
    for name, value in query.items():
        if name in _IGNORED or name in {"password", "port"} or value in _HARMLESS.get(name, ()):
            continue
        if not _PARAMETER.fullmatch(name):  # it may be the rest of a password
            raise ValueError(f"has a parameter with an invalid name; {_ENCODE}")
        raise ValueError(f"has the parameter {name}, which AuthGate does not support: {_FIXES.get(name, 'remove it')}")
