"""One connection to a Redis server: one question at a time, and its reply.

ready    nothing was asked. Whatever arrives now breaks the connection: it answers no question.
asking   a command was sent. Its reply leads to "ready". A bad reply, a time-out and a cancellation break it, because
         the rest of the reply may still come, and would be taken for the answer to the next question.
broken   it is closed. `failure` has the cause.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from authgate.outbound import has_input, keep_alive
from authgate.sessions._resp import ERROR, BadReply, ReplyReader, packed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from authgate.sessions._resp import Reply


class ConnectionLost(Exception):
    """The server closed the connection, or it does not answer. The message says which."""


class ErrorReply(Exception):
    """The server answers with an error, whose first word is *code*. The *text* may quote a session token."""

    def __init__(self, reply: Reply) -> None:
        code, _, self.text = reply.content.decode("ascii", "replace").partition(" ")
        self.code = code if code.isalpha() and code.isupper() else "an error"
        super().__init__(self.code)


class RedisConnection(asyncio.Protocol):
    """One connection. See the top of this file."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.ready_since = asyncio.get_running_loop().time()
        self.transport: asyncio.Transport
        self._reader = ReplyReader()
        self._reply: asyncio.Future[Reply] | None = None

    # -- for asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        try:
            reply = self._reader.feed(data)
        except BadReply as bad:
            self._break(bad)
            return
        if reply is None:
            return
        self._reader = ReplyReader()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)
        elif reply.first == ERROR:  # a server that has too many clients, or is in protected mode, says so unasked
            self._break(ErrorReply(reply))
        else:
            self._break(BadReply("it sent a reply to no question"))

    def connection_lost(self, error: Exception | None) -> None:
        self._break(ConnectionLost(f"the connection was lost ({error})" if error else "it closed the connection"))

    # -- for questions --------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Whether the connection is whole, and nothing has arrived that was not asked for."""
        return self.failure is None and not self._reader.has_begun and not has_input(self.transport)

    async def ask(self, *command: str, first: bytes, seconds: float) -> bytes:
        """Return the content of the reply, which must have this *first* byte. Waits at most *seconds*.

        Raises `ErrorReply`, `BadReply`, or `ConnectionLost`, also if there is no complete reply in time.
        """
        if self.failure is not None:
            raise self.failure
        line = packed(*command)
        self._reply = asyncio.get_running_loop().create_future()
        self.transport.write(line)
        try:
            async with asyncio.timeout(seconds):
                reply = await self._reply
        except TimeoutError:
            late = ConnectionLost(f"it does not answer within {seconds:g} s")
            self._break(late)
            raise late from None
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._reply, self.ready_since = None, asyncio.get_running_loop().time()
        if reply.first == ERROR:
            raise ErrorReply(reply)
        if reply.first != first:
            self._break(BadReply("it answers another question"))
            raise BadReply("it answers another question")
        return reply.content

    def abort(self) -> None:
        """Close the connection at once. TLS would wait for the other side."""
        self._break(ConnectionLost("AuthGate closed the connection"))

    def _break(self, failure: Exception) -> None:
        if self.failure is None:
            self.failure = failure
            self.transport.abort()
            if self._reply is not None and not self._reply.done():
                self._reply.set_exception(failure)


async def connect(
    addresses: Sequence[str], port: int, host: str, context: ssl.SSLContext | None, seconds: float
) -> RedisConnection:
    """Return a connection to the first of *addresses* that accepts one, each within its share of *seconds*.

    With *context*, it is TLS, with a certificate for *host*. Raises OSError, also TimeoutError.
    """
    failure: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            async with asyncio.timeout(seconds / len(addresses)):
                _, connection = await asyncio.get_running_loop().create_connection(
                    RedisConnection, address, port, ssl=context, server_hostname=host if context else None
                )
        except OSError as error:
            failure = error
        else:
            return connection
    raise failure
