"""Sessions from Better Auth's secondary storage in Redis (or Valkey): two reads by key. Needs the extra `redis`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from authgate.authorities import untrusted_reason
from authgate.core.errors import quoted
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._rows import MAX_ROWS_BYTES, could_be_a_token, parse_rows
from authgate.sessions._trust import Trust
from authgate.sessions.redis_url import parse_redis_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from authgate.core.lookups import FindSession
    from authgate.sessions import StoredRows

MAX_CONNECTIONS = 4
CONNECT_SECONDS = 5.0
READ_SECONDS = 5.0

# Better Auth keeps other things under names of its own beside the sessions (better-auth/db/internal-adapter.mjs).
# And a user's id: when all sessions of this user were revoked, in milliseconds since 1970.
_REVOKED_BEFORE = "revoked-sessions-before-"
_NO_SESSIONS = (_REVOKED_BEFORE, "active-sessions-", "verification:")


class RedisStore:
    """The JSON {session, user} under *key_prefix* and the session token. Nothing is written."""

    def __init__(self, url: str, *, key_prefix: str = "", ca_file: str | None = None) -> None:
        """*url* is redis:// or rediss://, the latter by TLS. Raises ValueError for what `redis_url_fault` tells."""
        self._address = parse_redis_url(url)
        self.where = self._address.where
        self._key_prefix = key_prefix
        self._trust = Trust(ca_file)
        self._client: Redis | None = None

    async def find(self, wanted: FindSession) -> StoredRows | None:
        """Return the session and its user by `wanted.token`, None where there is none; raise `StoreFailed`."""
        if not could_be_a_token(wanted.token) or wanted.token.startswith(_NO_SESSIONS):
            return None
        text = await self._text(wanted.token)
        rows = parse_rows(text, wanted.token, self.where) if text else None
        return None if rows is None or await self._is_revoked(rows) else rows

    async def _is_revoked(self, rows: StoredRows) -> bool:
        """Say whether the user's sessions of that time were all revoked (better-auth/db/internal-adapter.mjs).

        The key of one that was made at the same moment may have outlived that.
        """
        text = await self._text(f"{_REVOKED_BEFORE}{rows.session.get('userId')}")
        if not text:
            return False
        try:
            revoked_before = float(text) / 1000
            created_at = datetime.fromisoformat(rows.session["createdAt"])
            created_at = created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            return True  # what Better Auth would let pass here, no Better Auth wrote
        return created_at.timestamp() < revoked_before

    async def _text(self, key: str) -> str:
        """Return what the key holds, "" where there is none of this name."""
        client = await self._opened()
        try:
            # GET would bring a value of any size; a key that is not there is an empty range.
            value = await client.getrange(self._key_prefix + key, 0, MAX_ROWS_BYTES)
        except (RedisError, OSError) as error:
            if untrusted_reason(error):
                await self.close()  # nobody has a connection; ca_file may have been replaced
            kind = RowsUnusable if str(error).startswith("WRONGTYPE") else StoreFailed
            raise kind(f"{self.where}: {_explained(error)}{self._tls_hint(error)}") from None
        if len(value) > MAX_ROWS_BYTES:
            raise RowsUnusable(f"{self.where} holds a session of more than {MAX_ROWS_BYTES} bytes")
        try:
            return value.decode("utf-8") if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError:
            raise RowsUnusable(f"{self.where} answers what is no session: it is not UTF-8") from None

    def _tls_hint(self, error: Exception) -> str:
        # In plain text Redis goes on waiting for the end of a line, instead of refusing what TLS begins with.
        wants_tls = self._address.tls and isinstance(error, RedisTimeoutError)
        return "; if it speaks no TLS at this port, its address is redis://" if wants_tls else ""

    async def _opened(self) -> Redis:
        context = await self._trust.context() if self._address.tls and self._client is None else None
        if self._client is None:  # nor did anybody else open one meanwhile
            at = self._address
            pool = BlockingConnectionPool(
                connection_class=_Connection,
                context=context,
                max_connections=MAX_CONNECTIONS,
                timeout=None,  # whoever calls bounds it
                host=at.host,
                port=at.port,
                db=at.database,
                username=at.user or None,
                password=at.password or None,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=READ_SECONDS,
                retry=Retry(NoBackoff(), 1),  # a kept connection may have been lost meanwhile
                protocol=2,
                driver_info=None,  # no CLIENT SETINFO: a role may be allowed nothing but to read
            )
            self._client = Redis(connection_pool=pool)
        return self._client

    async def close(self) -> None:
        """Let go of every connection."""
        client, self._client = self._client, None
        self._trust.forget()
        if client is not None:
            await client.aclose(close_connection_pool=True)


class _Connection(Connection):
    """A connection by TCP; by TLS where a context is given, with the CAs that it believes and no others."""

    def __init__(self, *, context: ssl.SSLContext | None, **options: Any) -> None:  # noqa: ANN401 - redis's own
        self._context = context
        super().__init__(**options)

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = super()._connection_arguments()
        return {**arguments, "ssl": self._context} if self._context is not None else arguments


def _explained(error: Exception) -> str:
    """Return what *error* means to an operator. Not in the server's words where those may quote a key."""
    if untrusted := untrusted_reason(error):
        return untrusted
    meanings: dict[type[Exception] | tuple[type[Exception], ...], str] = {
        (
            AuthenticationError,
            AuthenticationWrongNumberOfArgsError,
        ): "it refuses the user or the password, or wants one",
        NoPermissionError: "the user may not read the sessions: ACL SETUSER <user> +getrange ~<key_prefix>*, and "
        "+select for a database other than 0",
        BusyLoadingError: "it is starting up",
        RedisTimeoutError: f"it does not answer within {READ_SECONDS:g} s",
    }
    for kind, meaning in meanings.items():
        if isinstance(error, kind):
            return meaning
    if isinstance(error, ResponseError):
        kind_of_error = str(error).partition(" ")[0]
        return f"it answers {quoted(kind_of_error, 40)}: is it the storage that Better Auth writes to?"
    return f"it cannot be reached: {quoted(str(error), 200)}"
