"""Sessions from Better Auth's secondary storage in Redis or Valkey, with two reads. Needs the extra `redis`."""

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

from authgate.authorities import Authorities, AuthoritiesUnreadable, untrusted_reason
from authgate.core.quoting import quoted
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._rows import MAX_ROWS_BYTES, is_plausible_token, parse_rows

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from authgate.core.lookups import FindSession
    from authgate.sessions import StoredRows
    from authgate.sessions.redis_address import RedisAddress

MAX_CONNECTIONS = 4
CONNECT_SECONDS = 5.0
READ_SECONDS = 5.0

# Followed by a user's id. The value is the time when all sessions of this user were revoked, in Unix milliseconds.
_REVOKED_BEFORE = "revoked-sessions-before-"
# The prefixes of Better Auth's keys that are not session tokens (better-auth/db/internal-adapter.mjs).
_NOT_SESSIONS = (_REVOKED_BEFORE, "active-sessions-", "verification:")


class RedisStore:
    """Reads the JSON {session, user} at the key of *key_prefix* and session token. Writes nothing."""

    max_connections = MAX_CONNECTIONS

    def __init__(self, address: RedisAddress, *, key_prefix: str = "", ca_file: str | None = None) -> None:
        """With *ca_file*, only its CAs are trusted, otherwise those of the system."""
        self.where = address.where
        self._address = address
        self._key_prefix = key_prefix
        self._authorities = Authorities(ca_file)
        self._client: Redis | None = None

    async def find(self, question: FindSession) -> StoredRows | None:
        """Return the session with `question.token` and its user, None if there is none. Raises `StoreFailed`."""
        if not is_plausible_token(question.token) or question.token.startswith(_NOT_SESSIONS):
            return None
        text = await self._text(question.token)
        rows = parse_rows(text, question.token, self.where) if text else None
        return None if rows is None or await self._is_revoked(rows) else rows

    async def _is_revoked(self, rows: StoredRows) -> bool:
        """Whether all sessions of the user were revoked after this one was created, as Better Auth checks it.

        The key of a session that was created at the same moment may still exist (better-auth/db/internal-adapter.mjs).
        """
        text = await self._text(f"{_REVOKED_BEFORE}{rows.session.get('userId')}")
        if not text:
            return False
        try:
            revoked_before = float(text) / 1000
            created_at = datetime.fromisoformat(rows.session["createdAt"])
            created_at = created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError):
            return True  # Better Auth would accept this, but Better Auth did not write it
        return created_at.timestamp() < revoked_before

    async def _text(self, key: str) -> str:
        """Return the value of *key*, "" if there is no such key."""
        try:
            client = await self._opened()
            # GET would load a value of any size. The range of an absent key is empty.
            value = await client.getrange(self._key_prefix + key, 0, MAX_ROWS_BYTES)
        except (RedisError, OSError, AuthoritiesUnreadable) as error:
            if untrusted_reason(error):
                await self.close()  # no connection is open; the next one reads ca_file again
            kind = RowsUnusable if str(error).startswith("WRONGTYPE") else StoreFailed
            raise kind(f"{self.where}: {_explain(error)}{self._tls_hint(error)}") from None
        if len(value) > MAX_ROWS_BYTES:
            raise RowsUnusable(f"{self.where} has a session of more than {MAX_ROWS_BYTES} bytes")
        try:
            return value.decode("utf-8") if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError:
            raise RowsUnusable(f"{self.where} did not return a valid session: it is not UTF-8") from None

    def _tls_hint(self, error: Exception) -> str:
        # Without TLS, Redis does not refuse a TLS handshake. It waits for the end of a line.
        may_lack_tls = self._address.tls and isinstance(error, RedisTimeoutError)
        return "; if it does not speak TLS on this port, write redis://" if may_lack_tls else ""

    async def _opened(self) -> Redis:
        context = await self._authorities.cached_context() if self._address.tls and self._client is None else None
        if self._client is None:  # no other lookup opened it while this one waited
            address = self._address
            pool = BlockingConnectionPool(
                connection_class=_Connection,
                context=context,
                max_connections=MAX_CONNECTIONS,
                timeout=None,  # the caller limits the time
                host=address.host,
                port=address.port,
                db=address.database,
                username=address.user or None,
                password=address.password or None,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=READ_SECONDS,
                retry=Retry(NoBackoff(), 1),  # an idle connection may have been lost
                protocol=2,
                driver_info=None,  # no CLIENT SETINFO: the user may have no right but to read
            )
            self._client = Redis(connection_pool=pool)
        return self._client

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        self._authorities.forget()
        if client is not None:
            await client.aclose(close_connection_pool=True)


class _Connection(Connection):
    """A TCP connection, with TLS if there is a *context*: then only its CAs are trusted."""

    def __init__(self, *, context: ssl.SSLContext | None, **options: Any) -> None:  # noqa: ANN401 - redis's own
        self._context = context
        super().__init__(**options)

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = super()._connection_arguments()
        return {**arguments, "ssl": self._context} if self._context is not None else arguments


def _explain(error: Exception) -> str:
    """Return the meaning of *error* for an operator, without the server's words where they may quote a key."""
    if untrusted := untrusted_reason(error):
        return untrusted
    meanings: dict[type[Exception] | tuple[type[Exception], ...], str] = {
        (
            AuthenticationError,
            AuthenticationWrongNumberOfArgsError,
        ): "it refuses the user or the password, or the URL has none",
        NoPermissionError: "the user may not read the sessions: ACL SETUSER <user> +getrange ~<key_prefix>*, and "
        "+select for a database other than 0",
        BusyLoadingError: "the server is starting up",
        RedisTimeoutError: f"it does not answer within {READ_SECONDS:g} s",
    }
    for kind, meaning in meanings.items():
        if isinstance(error, kind):
            return meaning
    if isinstance(error, ResponseError):
        kind_of_error = str(error).partition(" ")[0]
        return f"it answers {quoted(kind_of_error, 40)}: is this the storage that Better Auth writes to?"
    return f"it cannot be reached: {quoted(str(error), 200)}"
