"""Sessions from Better Auth's secondary storage in Redis or Valkey, with two reads."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from authgate.authorities import Authorities, untrusted_reason
from authgate.core.quoting import quoted
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._reading import Reading
from authgate.sessions._redis_client import CONNECT_SECONDS, RedisClient
from authgate.sessions._redis_connection import ConnectionLost, ErrorReply
from authgate.sessions._resp import BadReply
from authgate.sessions._rows import MAX_ROWS_BYTES, decoded, is_plausible_token, parse_rows

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession
    from authgate.sessions import StoredRows
    from authgate.sessions.redis_address import RedisAddress

MAX_CONNECTIONS = 4

# What asking the server raises. ValueError: its CAs cannot be read, or its name cannot be one.
_FAILURES = (ErrorReply, BadReply, ConnectionLost, OSError, ValueError)

# Followed by a user's id. The value is the time when all sessions of this user were revoked, in Unix milliseconds.
_REVOKED_BEFORE = "revoked-sessions-before-"
# The prefixes of Better Auth's keys that are not session tokens (better-auth/db/internal-adapter.mjs).
_NOT_SESSIONS = (_REVOKED_BEFORE, "active-sessions-", "verification:")

_REFUSED = "it refuses the user or the password, or the URL has none"
_CLUSTER = (
    "it is a Redis Cluster, which AuthGate does not support: use one server without cluster mode, "
    "or let AuthGate ask Better Auth itself (sessions.http)"
)
_REPLICA = (
    "its sessions are read from a replica. For as long as the replica lags behind, a user who has just signed in may "
    "be refused, and a session that has just ended may still be accepted. Write the address of the primary into the URL"
)
# By the first word of the error.
_MEANINGS = {
    "NOAUTH": _REFUSED,
    "WRONGPASS": _REFUSED,
    "NOPERM": "the user may not read the sessions: ACL SETUSER <user> +getrange ~<key_prefix>*, and +select for a "
    "database other than 0",
    "LOADING": "the server is starting up",
    "MASTERDOWN": "it is a replica that has lost its primary",
    "DENIED": "it is in protected mode: give it a password, or set protected-mode no if nobody else can connect to it",
    **dict.fromkeys(("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "CROSSSLOT"), _CLUSTER),
}
# By how the text after ERR begins.
_MEANINGS_OF_ERR = {
    "AUTH <password> called without": _REFUSED,
    "Client sent AUTH, but no password": _REFUSED,
    "invalid password": _REFUSED,
    "wrong number of arguments for 'auth'": _REFUSED,
    "max number of clients": "it has too many clients (maxclients)",
    "DB index is out of range": "it has no database of this number",
    "invalid DB index": "it has no database of this number",
}


class RedisStore:
    """Reads the JSON {session, user} at the key of *key_prefix* and session token. Writes nothing."""

    max_connections = MAX_CONNECTIONS

    def __init__(self, address: RedisAddress, *, key_prefix: str = "", ca_file: str | None = None) -> None:
        """With *ca_file*, only its CAs are trusted, otherwise those of the system."""
        self.where = address.where
        self._has_tls = address.tls
        self._key_prefix = key_prefix
        self._authorities = Authorities(ca_file)
        self._reading = Reading()
        self._client = RedisClient(address, self._authorities, MAX_CONNECTIONS)

    async def find(self, question: FindSession) -> StoredRows | None:
        """Return the session with `question.token` and its user, None if there is none. Raises `StoreFailed`."""
        if not is_plausible_token(question.token) or question.token.startswith(_NOT_SESSIONS):
            return None
        text = await self._text(question.token)
        if not text:
            return None
        rows = await self._reading.read(partial(parse_rows, text, question.token, self.where), len(text))
        return None if rows is None or await self._is_revoked(rows) else rows

    async def warning(self) -> str:
        """Return a warning if the server is a replica, "" if not, or if the user may not ask. Raises `StoreFailed`."""
        try:
            information = await self._client.ask("INFO", "replication")
        except ErrorReply:
            return ""  # the right +info is optional
        except _FAILURES as error:
            raise StoreFailed(f"{self.where}: {self._explain(error)}") from None
        return _REPLICA if b"role:slave" in information.splitlines() else ""

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
            # GET would load a value of any size. The range of an absent key is empty.
            value = await self._client.ask("GETRANGE", self._key_prefix + key, "0", str(MAX_ROWS_BYTES))
        except UnicodeEncodeError:
            raise RowsUnusable(f"{self.where} has a session whose user id is not a text") from None
        except _FAILURES as error:
            self._authorities.forget()  # the next connection reads ca_file again
            is_wrong_type = isinstance(error, ErrorReply) and error.code == "WRONGTYPE"
            raise (RowsUnusable if is_wrong_type else StoreFailed)(f"{self.where}: {self._explain(error)}") from None
        if len(value) > MAX_ROWS_BYTES:
            raise RowsUnusable(f"{self.where} has a session of more than {MAX_ROWS_BYTES} bytes")
        return decoded(value, self.where)

    def _explain(self, error: Exception) -> str:
        """Return the meaning of *error* for an operator, without the server's words, which may quote a key."""
        if untrusted := untrusted_reason(error):
            return untrusted
        if isinstance(error, ErrorReply):
            return _meaning(error)
        if isinstance(error, BadReply | ConnectionLost):
            return str(error)
        if isinstance(error, TimeoutError):
            # Without TLS, Redis does not refuse a TLS handshake. It waits for the end of a line.
            hint = "; if it does not speak TLS on this port, write redis://" if self._has_tls else ""
            return f"no connection within {CONNECT_SECONDS:g} s{hint}"
        return f"it cannot be reached: {quoted(str(error), 200)}"

    async def close(self) -> None:
        """Close every connection."""
        self._authorities.forget()
        self._client.close()


def _meaning(error: ErrorReply) -> str:
    for beginning, meaning in _MEANINGS_OF_ERR.items() if error.code == "ERR" else ():
        if error.text.startswith(beginning):
            return meaning
    default = f"it answers {quoted(error.code, 40)}: is this the storage that Better Auth writes to?"
    return _MEANINGS.get(error.code, default)
