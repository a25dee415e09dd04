"""Servers that speak PostgreSQL's protocol and lie at one point of it. Each function is a mode, or makes one.

Every connection begins as with an honest server: `started`, then `logged_in`, then the questions of the driver, which
are a query to parse (`asked`), and then a query to execute.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import suppress
from functools import partial
from struct import pack, unpack
from typing import TYPE_CHECKING

from tests.neighbors.lying import Connection, Gone

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.neighbors.lying import Mode

_TLS_REQUEST = 80_877_103
_BYTEA = 17
_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE = 0, 3, 5, 10, 11
# A server that sends without an end ends after this, so that a test fails and does not hang.
_ENOUGH_BYTES = 64 * 1024 * 1024


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + pack(">i", len(content) + 4) + content


def error(state: bytes, text: bytes) -> bytes:
    return message(b"E", b"SFATAL\0VFATAL\0C" + state + b"\0M" + text + b"\0\0")


def notice(text: bytes = b"hello") -> bytes:
    return message(b"N", b"SNOTICE\0VNOTICE\0C00000\0M" + text + b"\0\0")


def parameter(name: bytes, value: bytes) -> bytes:
    return message(b"S", name + b"\0" + value + b"\0")


def columns(*names: bytes, type_id: int = _BYTEA) -> bytes:
    fields = b"".join(name + b"\0" + pack(">ihihih", 0, 0, type_id, -1, -1, 0) for name in names)
    return message(b"T", pack(">h", len(names)) + fields)


def row(*values: bytes) -> bytes:
    return message(b"D", pack(">h", len(values)) + b"".join(pack(">i", len(value)) + value for value in values))


READY = message(b"Z", b"I")
LOGGED_IN = b"".join(
    [
        message(b"R", pack(">i", _OK)),
        *(parameter(name, value) for name, value in {b"server_version": b"17.2", b"client_encoding": b"UTF8"}.items()),
        message(b"K", pack(">ii", 1, 2)),
        READY,
    ]
)
PARSED = message(b"1") + message(b"t", pack(">hi", 1, 25)) + columns(b"session", b"person")


def read_message(connection: Connection) -> tuple[bytes, bytes]:
    """Return the type and the content of what the driver sends next. Raises `Gone`."""
    kind, size = unpack(">ci", connection.read(5))
    return kind, connection.read(size - 4) if size > 4 else b""


def started(connection: Connection, *, tls: bytes = b"N") -> None:
    """Read what a client begins with. Answer *tls* if it asks for TLS."""
    while True:
        [size] = unpack(">i", connection.read(4))
        begin = connection.read(size - 4)
        if int.from_bytes(begin[:4]) != _TLS_REQUEST:
            return
        connection.send(tls)


def logged_in(connection: Connection) -> None:
    started(connection)
    connection.send(LOGGED_IN)


def asked(connection: Connection) -> None:
    """Read a query that the driver wants to be parsed, after the login."""
    logged_in(connection)
    while read_message(connection)[0] != b"H":  # Flush
        pass


def parsed(connection: Connection) -> None:
    """Let the driver send the query to execute, which is still to be read."""
    asked(connection)
    connection.send(PARSED)


def begins_tls(connection: Connection) -> None:
    connection.read(8)
    connection.send(b"S")


def session_of(token: bytes) -> tuple[bytes, bytes]:
    """Return the row of a session, and that of its user: ada for ada-1."""
    user = token.decode().partition("-")[0]
    session = {"id": "1", "token": token.decode(), "userId": user, "expiresAt": "2035-01-01T00:00:00+00:00"}
    return json.dumps(session).encode(), json.dumps({"id": user, "email": f"{user}@example.com"}).encode()


def honest(
    connection: Connection, send: Callable[[bytes], None] | None = None, after: bytes = b"", parsed: bytes = PARSED
) -> None:
    """Answer as PostgreSQL does: every token is a session. Each answer goes through *send*, and ends with *after*."""
    logged_in(connection)
    answer, token = b"", b""
    while True:
        kind, content = read_message(connection)
        if kind == b"P":
            answer += message(b"1")
        elif kind == b"D":
            answer += parsed.removeprefix(message(b"1"))
        elif kind == b"B":
            token = _argument(content)
            answer += message(b"2")
        elif kind == b"E":
            answer += row(*session_of(token)) + message(b"C", b"SELECT 1\0")
        elif kind in {b"H", b"S"}:
            (send or connection.send)(answer + (READY + after if kind == b"S" else b""))
            answer = b""


class _Answered(Exception):
    pass


def honest_once(connection: Connection) -> None:
    """Answer one question as PostgreSQL does, and close the connection."""

    def send(answer: bytes) -> None:
        connection.send(answer)
        if answer.endswith(READY):
            raise _Answered

    with suppress(_Answered):
        honest(connection, send)


def _argument(bind: bytes) -> bytes:
    """Return the only argument of a Bind."""
    rest = bind.split(b"\0", 2)[2]
    [formats] = unpack(">h", rest[:2])
    [size] = unpack(">i", rest[4 + 2 * formats : 8 + 2 * formats])
    return rest[8 + 2 * formats :][:size]


# -- the login --------------------------------------------------------------------------------------------------------


def speaks_redis(connection: Connection) -> None:
    connection.read()
    connection.send(b"-ERR unknown command\r\n")
    connection.say_nothing()


def offers_scram(connection: Connection) -> bytes:
    """Begin SCRAM, and return the client's first message."""
    started(connection)
    connection.send(message(b"R", pack(">i", _SASL) + b"SCRAM-SHA-256\0\0"))
    return read_message(connection)[1]


def scram(iterations: bytes) -> Mode:
    """Demand so many iterations for the password."""

    def mode(connection: Connection) -> None:
        first = offers_scram(connection)
        nonce = first.partition(b"r=")[2]
        salt = base64.b64encode(b"salt of sixteen!")
        challenge = b"r=" + nonce + b"server,s=" + salt + b",i=" + iterations
        connection.send(message(b"R", pack(">i", _SASL_CONTINUE) + challenge))
        connection.say_nothing()

    return mode


def endless_authentication(connection: Connection) -> None:
    """Ask for the same step of the authentication again and again."""
    started(connection)
    while connection.sent < _ENOUGH_BYTES:
        connection.send(message(b"R", pack(">i", _MD5) + b"salt"))


class AsksForPassword:
    """A mode that asks for a password by *method*, in TLS if it has a *context*. `passwords` has what it gets."""

    def __init__(self, method: int, content: bytes = b"", context: ssl.SSLContext | None = None) -> None:
        self.passwords: list[bytes] = []
        self._question = message(b"R", pack(">i", method) + content)
        self._context = context

    def __call__(self, connection: Connection) -> None:
        if self._context is not None:
            connection.read(8)
            connection.send(b"S")
            connection.start_tls(self._context)
        started(connection)
        connection.send(self._question)
        self.passwords.append(read_message(connection)[1])
        connection.send(LOGGED_IN)
        connection.say_nothing()


CLEARTEXT, MD5 = (_CLEARTEXT, b""), (_MD5, b"salt")
kerberos = AsksForPassword(2)


def refuses(state: bytes, text: bytes) -> Mode:
    """Refuse the login with this error."""

    def mode(connection: Connection) -> None:
        started(connection)
        connection.send(error(state, text))

    return mode


def without_a_version(connection: Connection) -> None:
    """Log in without the parameter that the driver needs."""
    started(connection)
    connection.send(message(b"R", pack(">i", _OK)) + READY)
    connection.say_nothing()


def answers_tls_with(answer: bytes) -> Mode:
    """Answer this when AuthGate asks for TLS."""

    def mode(connection: Connection) -> None:
        started(connection, tls=answer)
        connection.say_nothing()

    return mode


# -- messages of a wrong size, or without an end ----------------------------------------------------------------------


def announces(size: int, kind: bytes = b"T", before: Callable[[Connection], None] = asked) -> Mode:
    """Announce a message of *size* bytes in place of an answer, and send them."""

    def mode(connection: Connection) -> None:
        before(connection)
        connection.send(kind + pack(">i", size))
        _send_much(connection, b"x" * 64 * 1024)

    return mode


def endless(part: bytes, before: Callable[[Connection], None] = asked, begin: bytes = b"") -> Mode:
    """Send *part* again and again in place of an answer."""

    def mode(connection: Connection) -> None:
        before(connection)
        connection.send(begin)
        _send_much(connection, part * (1 + 64 * 1024 // len(part)))

    return mode


def _send_much(connection: Connection, data: bytes) -> None:
    while connection.sent < _ENOUGH_BYTES:
        connection.send(data)


def endless_parameters(connection: Connection) -> None:
    """Send parameters that all have different names."""
    asked(connection)
    number = 0
    while connection.sent < _ENOUGH_BYTES:
        connection.send(b"".join(parameter(b"%d" % one, b"x") for one in range(number, number + 1000)))
        number += 1000


def endless_rows(connection: Connection) -> None:
    parsed(connection)
    while read_message(connection)[0] != b"S":  # Sync
        pass
    connection.send(message(b"1") + message(b"2"))
    _send_much(connection, row(*session_of(b"ada-1")) * 500)


def half_a_row(connection: Connection) -> None:
    parsed(connection)
    while read_message(connection)[0] != b"S":  # Sync
        pass
    connection.send(message(b"1") + message(b"2") + row(*session_of(b"ada-1"))[:-20])


# -- answers that are wrong -------------------------------------------------------------------------------------------


def parses_as(description: bytes) -> Mode:
    """Describe the query as no honest server does."""

    def mode(connection: Connection) -> None:
        asked(connection)
        connection.send(message(b"1") + description)
        connection.say_nothing()

    return mode


def fails(state: bytes, text: bytes) -> Mode:
    """Answer each question with this error."""

    def mode(connection: Connection) -> None:
        asked(connection)
        connection.send(error(state, text))
        while read_message(connection)[0] != b"S":  # Sync
            pass
        connection.send(READY)
        connection.say_nothing()

    return mode


def unknown_parameters(connection: Connection) -> None:
    """Give the parameter of each query a type of which the driver asks what it is, also that of this question."""
    unknown = message(b"t", pack(">hi", 1, 99_999))
    honest(connection, parsed=message(b"1") + unknown + columns(b"session", b"person"))


def slowly(connection: Connection) -> None:
    """Answer honestly, in segments of one byte."""
    honest(connection, partial(connection.send_slowly, pause_seconds=0))


class AnswersUnasked:
    """A mode that answers one question, and then another one, which nobody asked. `answered` counts these answers."""

    def __init__(self) -> None:
        self.answered = 0

    def __call__(self, connection: Connection) -> None:
        honest_once(connection)
        connection.send(PARSED + message(b"2") + row(*session_of(b"eve-1")) + message(b"C", b"SELECT 1\0") + READY)
        self.answered += 1
        connection.say_nothing()


def answers_twice(connection: Connection) -> None:
    """Send an answer more than AuthGate asked for, with the first."""
    honest(connection, after=row(*session_of(b"eve-1")) + message(b"C", b"SELECT 1\0") + READY)


class NoisyWhenIdle:
    """A mode that answers one question honestly, and then sends notices without an end. `ended` counts its ends."""

    def __init__(self) -> None:
        self.ended = 0

    def __call__(self, connection: Connection) -> None:
        honest_once(connection)
        try:
            _send_much(connection, notice() * 1000)
        finally:
            self.ended += 1


def silent_at(*points: Callable[[Connection], None]) -> Mode:
    """Say nothing any more from a point on: on the first connection from the first of *points* on, and so forth."""
    rest = iter(points)

    def mode(connection: Connection) -> None:
        next(rest)(connection)
        connection.say_nothing()

    return mode


class Path:
    """A mode that forwards connections to the server at *port*.

    `drop` loses those that are open: nothing comes through any more, and nobody says so.
    """

    def __init__(self, port: int) -> None:
        self.questions_lost = 0
        self._port = port
        self._open: set[Connection] = set()
        self._lost: set[Connection] = set()

    def drop(self) -> None:
        self._lost |= self._open

    def __call__(self, connection: Connection) -> None:
        self._open.add(connection)
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            answers = threading.Thread(target=self._forward_answers, args=[server, connection], daemon=True)
            answers.start()
            try:
                while data := connection.read():
                    if connection not in self._lost:
                        server.sendall(data)
                    elif data.startswith(b"P"):  # Parse, with which a question begins
                        self.questions_lost += 1
            finally:
                server.shutdown(socket.SHUT_RDWR)
                answers.join()

    def _forward_answers(self, server: socket.socket, connection: Connection) -> None:
        with suppress(OSError, Gone):
            while data := server.recv(65536):
                connection.send(data)
