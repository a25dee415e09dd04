"""What a PostgreSQL server may send, checked before the driver parses it.

The driver parses on the event loop that all requests share, and bounds nothing: neither the size of a message, nor
their number, nor the work of a login. So a guard stands between the transport and the driver. It reads the type and the
length of each message, and more only of the few messages whose content makes work for the driver. Each byte has one of
three phases:

    login    until the server is first ready for a query
    answer   from `begin` to `end`: AuthGate asks one question
    idle     otherwise: the server may send notices, and that it shuts down

Each phase has the types of messages that may come in it, the most bytes of each, and the most bytes and messages of all
together. A server that exceeds a bound has its connection aborted, and the driver sees nothing of the excess.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from authgate.core.quoting import quoted
from authgate.outbound import has_input
from authgate.sessions._rows import MAX_ROWS_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The work of one login is in proportion to it, and all requests wait meanwhile: 6 ms with these, and 25 ms on a
# processor without instructions for SHA-256. PostgreSQL's default is 4096.
MAX_SCRAM_ITERATIONS = 16_384
MAX_COLUMNS = 32
# An error may quote the token (4096 characters) two or three times.
MAX_TEXT_BYTES = 16 * 1024
# With `client_min_messages` and `debug_print_plan`, the server sends the whole plan of the query: 20 to 40 KiB.
MAX_NOTICE_BYTES = 64 * 1024
# Some other client of a pooler in transaction mode called LISTEN, which the pooler does not undo. The name of the
# channel, and a text of less than 8000 bytes.
MAX_NOTIFICATION_BYTES = 8192
# Session, user and role, each of which the query cuts, and their lengths.
MAX_ROW_BYTES = 3 * (MAX_ROWS_BYTES + 1) + 64

_HEAD = Struct(">Bi")
# The types below this are PostgreSQL's own. For others the driver would ask the server what they are.
_FIRST_OTHER_TYPE = 16_384
_TYPE_OFFSET, _FIELD_BYTES = 6, 18
# The methods of authentication, and the steps of SCRAM (AuthenticationSASL, …Continue, …Final).
_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_CHALLENGE = re.compile(rb"r=[!-+\--~]{1,512},s=[A-Za-z0-9+/=]{1,512},i=([0-9]{1,10})")  # RFC 5802 §7


class ServerBroken(Exception):
    """The server sent what no PostgreSQL sends, or more than AuthGate accepts. The message is safe to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phase:
    """What may come: for each type of message the most bytes of its content, and the *bytes* and *messages* of all."""

    name: str
    content_bytes: Mapping[int, int]
    bytes: int
    messages: int


def _types(**content_bytes: int) -> dict[int, int]:
    return {ord(kind.removeprefix("_")): size for kind, size in content_bytes.items()}


_ANY_TIME = _types(S=4096, N=MAX_NOTICE_BYTES, E=MAX_TEXT_BYTES, A=MAX_NOTIFICATION_BYTES)
_LOGIN = _Phase(
    name="for a login",
    content_bytes=_ANY_TIME | _types(R=2048, K=512, v=4096, Z=1),
    bytes=64 * 1024,
    messages=128,
)
_ANSWER = _Phase(
    name="for one question",
    # ParseComplete, BindComplete, CloseComplete, NoData, the parameters, the columns, a row, the end.
    content_bytes=_ANY_TIME | _types(_1=0, _2=0, _3=0, n=0, t=64, T=4096, D=MAX_ROW_BYTES, C=128, I=0, Z=1),
    bytes=2 * MAX_ROW_BYTES + 64 * 1024,
    messages=256,
)
_IDLE = _Phase(name="without a question", content_bytes=_ANY_TIME, bytes=64 * 1024, messages=64)

_AUTHENTICATION, _COLUMNS, _READY, _ERROR, _PARAMETER = b"RTZES"
# How many bytes of the content are looked at.
_LOOKED_AT = {_AUTHENTICATION: 2048, _COLUMNS: 4096}


class Guard(asyncio.Protocol):
    """Passes on to the *driver* what the server sends, until that exceeds a bound. `fault` says which, "" if none."""

    def __init__(self, driver: asyncio.Protocol, *, is_private: bool) -> None:
        """*is_private*: nobody but the server of the configuration can read what is sent to it, also a password."""
        self.fault = ""
        self.has_failed = False  # the last answer is an error
        self.parameter_bytes = 0  # of parameters, which the driver keeps
        self._driver = driver
        self._is_private = is_private
        self._transport: asyncio.Transport | None = None
        self._answered: Callable[[], None] | None = None
        self._methods: set[int] = set()
        self._head = bytearray()  # of a message, and what is looked at of its content
        self._wanted = _HEAD.size
        self._content_bytes = 0  # of the same message
        self._rest = 0  # how many bytes are to come of a message that was looked at
        self._enter(_LOGIN)

    def begin(self, answered: Callable[[], None]) -> None:
        """A question begins. *answered* is called when the first byte comes."""
        self.has_failed = False
        self._answered = answered
        self._enter(_ANSWER)

    def end(self) -> None:
        """The question has its answer."""
        self._answered = None
        self._enter(_IDLE)

    @property
    def is_silent(self) -> bool:
        """Whether not a byte has come since the question began."""
        return self._answered is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether the connection is whole, and nothing is on its way that was not asked for."""
        is_between_messages = not self._head and not self._rest
        return not self.fault and is_between_messages and self._transport is not None and not has_input(self._transport)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._bytes_left, self._messages_left = phase, phase.bytes, phase.messages

    # -- between the transport and the driver ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a stream
        self._driver.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.connection_lost(exc)

    def pause_writing(self) -> None:
        self._driver.pause_writing()

    def resume_writing(self) -> None:
        self._driver.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self.fault:
            return
        try:
            self._look_at(data)
        except ServerBroken as broken:
            self._give_up(str(broken))
            return
        if self._answered is not None:
            answered, self._answered = self._answered, None
            answered()
        try:
            self._driver.data_received(data)
        except Exception as error:  # noqa: BLE001 - the driver's own, whatever the server made it do
            self._give_up(f"sent an answer that the driver cannot read ({type(error).__name__})")

    def _give_up(self, fault: str) -> None:
        self.fault = fault
        self.abort()

    # -- the bounds -----------------------------------------------------------------------------------------------

    def _look_at(self, data: bytes) -> None:
        """Raise `ServerBroken` if a bound is exceeded within *data*."""
        position, end = 0, len(data)
        while position < end:
            if self._rest:
                passed = min(self._rest, end - position)
                self._rest -= passed
                position += passed
                continue
            taken = data[position : position + self._wanted - len(self._head)]
            self._head += taken
            position += len(taken)
            if len(self._head) == _HEAD.size == self._wanted:
                self._wanted += self._begin_message()
            if len(self._head) == self._wanted:
                self._end_look()

    def _begin_message(self) -> int:
        """Look at the type and the length of a message. Return how many bytes of its content must be looked at."""
        kind: int
        length: int
        kind, length = _HEAD.unpack(self._head)
        content = length - 4
        self._messages_left -= 1
        if self._messages_left < 0:
            raise ServerBroken(f"sent more than {self._phase.messages} messages {self._phase.name}")
        most = self._phase.content_bytes.get(kind)
        if most is None:
            if self._phase is _LOGIN:
                raise ServerBroken(f"does not speak PostgreSQL's protocol: a message begins with {_named(kind)}")
            raise ServerBroken(f"sent a message {_named(kind)} that answers no question")
        if not 0 <= content <= most:
            raise ServerBroken(f"announced {content} bytes in a message {_named(kind)}; it may have {most}")
        self._bytes_left -= len(self._head) + content
        if self._bytes_left < 0:
            raise ServerBroken(f"sent more than {self._phase.bytes} bytes {self._phase.name}")
        if kind == _READY and self._phase is _LOGIN:
            self._enter(_IDLE)
        self.has_failed |= kind == _ERROR
        self.parameter_bytes += content if kind == _PARAMETER else 0
        self._content_bytes = content
        return min(content, _LOOKED_AT.get(kind, 0))

    def _end_look(self) -> None:
        kind, content = self._head[0], bytes(self._head[_HEAD.size :])
        self._rest = self._content_bytes - len(content)
        self._head.clear()
        self._wanted = _HEAD.size
        if kind == _AUTHENTICATION:
            self._check_authentication(content)
        elif kind == _COLUMNS:
            _check_columns(content)

    def _check_authentication(self, content: bytes) -> None:
        method = int.from_bytes(content[:4])
        if len(content) < 4 or method not in {_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL}:
            raise ServerBroken(f"asks for a method of authentication that AuthGate does not have (number {method})")
        if method in self._methods:
            raise ServerBroken("asks twice for the same step of the authentication")
        self._methods.add(method)
        if method == _CLEARTEXT and not self._is_private:
            raise ServerBroken(
                "asks for the password in clear text, and AuthGate cannot know who reads it: set sslmode=verify-full, "
                "or let the server ask for scram-sha-256 (pg_hba.conf)"
            )
        if method == _SASL_CONTINUE:
            _check_challenge(content[4:])


def _check_challenge(challenge: bytes) -> None:
    """Raise `ServerBroken` if the *challenge* of SCRAM is invalid, or its answer would be too much work."""
    found = _CHALLENGE.fullmatch(challenge)
    iterations = int(found[1]) if found else 0
    if not iterations:
        raise ServerBroken("sent an invalid challenge for the password (SCRAM)")
    if iterations > MAX_SCRAM_ITERATIONS:
        raise ServerBroken(
            f"demands {iterations} iterations of SCRAM for a login; AuthGate makes at most {MAX_SCRAM_ITERATIONS}: set "
            "scram_iterations to less, for example 4096, and set the role's password again"
        )


def _check_columns(content: bytes) -> None:
    """Raise `ServerBroken` for too many columns, and for types that are not PostgreSQL's own."""
    count = int.from_bytes(content[:2])
    if count > MAX_COLUMNS:
        raise ServerBroken(f"announced {count} columns; an answer has {MAX_COLUMNS} at most")
    position = 2
    for _ in range(count):
        name_end = content.find(b"\0", position)
        begin = name_end + 1 + _TYPE_OFFSET
        if name_end < 0 or not 0 < int.from_bytes(content[begin : begin + 4]) < _FIRST_OTHER_TYPE:
            raise ServerBroken("announced a column of a type that AuthGate did not ask for")
        position = name_end + 1 + _FIELD_BYTES


def _named(kind: int) -> str:
    return quoted(chr(kind))
