"""Where a PostgreSQL server is, as people write it: for libpq, Prisma, SQLAlchemy, node-postgres, Neon, Supabase.

Read here and not by the driver: that sends every parameter it does not know to the server, where poolers refuse it,
and it looks into variables and files of its own. No message quotes a password, or anything that may be a part of one.
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
# What others call them: libpq's "allow" begins in clear text, "prefer" is the better of the two; node-postgres.
_TLS_ALIASES = {"allow": "prefer", "no-verify": "require"}
_SSL_FLAGS = {"true": "require", "1": "require", "false": "disable", "0": "disable"}

# Parameters for clients of another kind, which mean nothing here: pools, prepared statements, time-outs, names.
_DROPPED = frozenset(
    {
        *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "single_use_connections"),  # Prisma
        *("statement_cache_size", "prepared_statement_cache_size", "prepare", "prepared_statements"),
        *("connect_timeout", "application_name", "fallback_application_name", "client_encoding", "gssencmode"),  # libpq
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslsni"),
        *("pool_max_conns", "pool_min_conns", "pool_mode", "max", "uselibpqcompat", "supa", "workaround"),
    }
)
# Of which one value asks for nothing but what is done anyway.
_HARMLESS = {
    "target_session_attrs": {"any", "prefer-standby"},
    "sslnegotiation": {"postgres"},
    "sslcompression": {"0"},
    "channel_binding": {"prefer", "disable"},
    "sslaccept": {"accept_invalid_certs"},
}
_MENDS = {
    "sslcert": "client certificates are not supported",
    "sslkey": "client certificates are not supported",
    "sslidentity": "client certificates are not supported",
    "options": "settings of the server are not sent, poolers refuse them; a schema is named in the setting for it",
    "search_path": "the schema is named in the setting for it",
    "passfile": "the password belongs into the URL",
    "service": "the server belongs into the URL",
}
_FORM = "postgresql://user:password@host:5432/database"
_ENCODE = "in a user or a password these are written @ %40, : %3A, / %2F, ? %3F, # %23, % %25"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """A server and how it is spoken to. *host* may be the folder of a unix socket.

    *tls* is one of libpq's modes; *ca_file* holds the CAs that count, None: those of the system. *schema* is "" where
    the DSN names none.
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
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.database}"

    @property
    def is_socket(self) -> bool:
        """Whether *host* is the folder of a unix socket."""
        return self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine on the way there."""
        if self.is_socket or self.host.lower() == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def warning(self) -> str | None:
        """What should be said about it at the start; None if nothing."""
        if self.is_local or self.tls not in {"disable", "prefer"}:
            return None
        return (
            "the way to the database may be in clear text, open to whoever is on it: add sslmode=verify-full, or "
            "sslmode=require where its certificate cannot be verified"
        )


def dsn_fault(dsn: str, ca_file: str | None = None) -> str | None:
    """Return why *dsn* cannot be used, None if it can. Never quotes the password."""
    try:
        parse_dsn(dsn, ca_file)
    except ValueError as error:
        return str(error)
    return None


def parse_dsn(dsn: str, ca_file: str | None = None) -> PostgresAddress:
    """Return what *dsn* says, or raise ValueError without quoting the password.

    *ca_file* stands for sslrootcert, and without an sslmode asks for verify-full.
    """
    parts = _split(dsn)
    query = _query(parts)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    host = query.pop("host", "") or _host(parts)
    database = query.pop("dbname", "") or query.pop("database", "") or unquote(parts.path.removeprefix("/"))
    user = query.pop("user", "") or unquote(user)
    if "," in parts.netloc.rpartition("@")[2] or "," in host:
        raise ValueError("names several hosts: name one")
    if not host or not user:
        raise ValueError(f"names no {'user' if host else 'host'} as in {_FORM}; {_ENCODE}")
    if {*"@/"} & {*parts.path[1:]}:
        raise ValueError(f"holds an @ or a / in the database's name; {_ENCODE}")
    if any("\0" in part for part in (host, user, unquote(password), database)):
        raise ValueError("holds a NUL")
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
        raise ValueError(f"is longer than {MAX_DSN_CHARACTERS} characters, or holds white space")
    try:
        parts = urlsplit(dsn)
        scheme = parts.scheme
    except ValueError:  # its message may quote what stands before an "@"
        raise ValueError(f"is not a URL; {_ENCODE}") from None
    if scheme.startswith("prisma"):
        raise ValueError("is an address of Prisma Accelerate, not of a database: give that of the database itself")
    if not _SCHEME.fullmatch(scheme) or "://" not in dsn:
        raise ValueError(f"is not a URL as in {_FORM}")
    if parts.fragment or "#" in dsn:
        raise ValueError(f"holds a #; {_ENCODE}")
    return parts


def _host(parts: SplitResult) -> str:
    socket = _SOCKET_FOLDER.match(parts.netloc.rpartition("@")[2])
    return unquote(socket[0]) if socket else (parts.hostname or "")


def _query(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=64)
    query = dict(pairs)
    if len(query) != len(pairs):
        raise ValueError("names a parameter twice")
    return query


def _port(parts: SplitResult, query: dict[str, str]) -> int:
    try:
        port = int(query.pop("port", "") or (DEFAULT_PORT if parts.port is None else parts.port))
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise ValueError(f"has no number between 1 and 65535 for a port; {_ENCODE}")
    return port


def _tls(query: dict[str, str], ca_file: str | None) -> tuple[str, str | None]:
    """Return the mode and the file of CAs."""
    roots = query.pop("sslrootcert", "") or None
    if ca_file and roots:
        raise ValueError("names sslrootcert, and there is a ca_file: one of them is too many")
    said = query.pop("sslmode", "") or _SSL_FLAGS.get(query.get("ssl", ""), query.get("ssl", ""))
    query.pop("ssl", None)
    mode = _TLS_ALIASES.get(said, said)
    if mode and mode not in _TLS_MODES:
        raise ValueError(f"has no sslmode of {', '.join(_TLS_MODES)}")
    # The driver binds no channel (SCRAM-SHA-256-PLUS): who asks for it, to notice a man in the middle, gets the
    # certificate verified instead, which notices him too.
    strict = query.get("channel_binding") == "require" or query.get("sslaccept") == "strict" or roots == "system"
    if strict:
        query.pop("channel_binding", None)
        query.pop("sslaccept", None)
    trusted = None if roots == "system" else (ca_file or roots)
    if mode == "disable" and (trusted or strict):
        raise ValueError("asks for TLS and for sslmode=disable")
    if strict or not mode:
        mode = "verify-full" if strict or trusted else "prefer"
    elif mode in {"prefer", "require"} and trusted:
        mode = "verify-ca"  # libpq does so for require; it would believe nobody's certificate else
    return mode, trusted


def _refuse_unknown(query: Mapping[str, str]) -> None:
    for name, value in query.items():
        if name in _DROPPED or name in {"password", "port"} or value in _HARMLESS.get(name, ()):
            continue
        if not _PARAMETER.fullmatch(name):  # it may be the rest of a password
            raise ValueError(f"has a parameter that is none; {_ENCODE}")
        raise ValueError(f"has the parameter {name}, which cannot be honoured: {_MENDS.get(name, 'take it out')}")
