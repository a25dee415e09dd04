"""What a server at the address of Redis may send."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.neighbors.lying import Connection, Mode


def bulk(content: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(content), content)


def asked(connection: Connection) -> str:
    """Return the key of the next GETRANGE, after the answers to AUTH and SELECT."""
    while True:
        words = connection.read().split(b"\r\n")
        if words[2] == b"GETRANGE":
            return words[4].decode()
        connection.send(b"+OK\r\n")


def stored(token: str, **user: Any) -> bytes:
    """Return the bulk string of the session with this *token*, whose user has its name before the hyphen."""
    user_id = token.partition("-")[0]
    times = {"createdAt": "2026-01-01T00:00:00.000Z", "expiresAt": "2035-01-01T00:00:00.000Z"}
    user = {"id": user_id, "email": f"{user_id}@example.com", "emailVerified": True, **user}
    return bulk(json.dumps({"session": {"token": token, "userId": user_id, **times}, "user": user}).encode())


def holding(**user: Any) -> Mode:
    """Answer every question: each token has a session of a user like this, and nobody's sessions were revoked."""

    def answer(connection: Connection) -> None:
        while True:
            key = asked(connection)
            connection.send(bulk(b"") if key.startswith("revoked-") else stored(key, **user))

    return answer


honest = holding()


def honest_once(connection: Connection) -> None:
    """Answer one question, and close the connection."""
    key = asked(connection)
    connection.send(bulk(b"") if key.startswith("revoked-") else stored(key))


def answering(answer: bytes) -> Mode:
    """Answer the first question with *answer*. Then say nothing, or close the connection if *answer* is an error.

    A sound error leaves the connection as it is, so that the next question would wait for an answer.
    """

    def answer_once(connection: Connection) -> None:
        asked(connection)
        connection.send(answer)
        if not answer.startswith(b"-"):
            connection.say_nothing()

    return answer_once


def pouring(beginning: bytes, more: bytes) -> Mode:
    """Answer the first question with *beginning*, and then *more* without an end."""

    def pour(connection: Connection) -> None:
        asked(connection)
        connection.send(beginning)
        connection.send_endlessly(more)

    return pour


def dripping(connection: Connection) -> None:
    """Announce a text and send a byte of it now and then."""
    asked(connection)
    connection.send(b"$3000\r\n")
    connection.send_slowly(b"a" * 3000, 0.05)


def half(connection: Connection) -> None:
    """Close the connection in the middle of a reply."""
    asked(connection)
    connection.send(b"$3000\r\nabc")


# Replies that do not answer a question of AuthGate, and a word of the message.
BAD_REPLIES = {
    "an integer": (b":5\r\n", "an integer"),
    "null": (b"$-1\r\n", "null"),
    "null of RESP3": (b"_\r\n", "null"),
    "a negative length": (b"$-5\r\n", "not a number"),
    "a length that is not a number": (b"$1_0\r\n", "not a number"),
    "a length of many digits": (b"$" + b"9" * 4000 + b"\r\n", "not a number"),
    "a text of 4 GB": (b"$4000000000\r\n", "not a number"),
    "a text of 300 KB": (b"$300000\r\n", "more than 262145 bytes"),
    "an array": (b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "an array"),
    "an array of 10^9": (b"*1000000000\r\n", "an array"),
    "deep arrays": (b"*1\r\n" * 200_000, "an array"),
    "an attribute": (b"|1\r\n$1\r\na\r\n:1\r\n$2\r\nhi\r\n", "an attribute"),
    "a push message": (b">2\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n", "a push message"),
    "a map": (b"%1\r\n$1\r\na\r\n:1\r\n", "a map"),
    "a simple string": (b"+OK\r\n", "another question"),
    "two replies": (stored("ada-1") + stored("bob-1"), "more than it announced"),
    "a text longer than announced": (b"$2\r\nabcd\r\n", "more than it announced"),
    "an empty line": (b"\r\n", "not a reply of Redis"),
    "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x46", "rediss://"),
    "bytes that are not UTF-8": (bulk(b"\xff\xfe" * 9), "not UTF-8"),
    "an error with control characters": (b"-E\x1b[31m\xe2\x80\xaeX fake\x9b\r\n", "'an error'"),
    "an error that quotes the token": (b"-ERR no 'ada-1' for password-canary\r\n", "'ERR'"),
    "MOVED": (b"-MOVED 1 10.0.0.1:6379\r\n", "Redis Cluster, which AuthGate does not support"),
    "ASK": (b"-ASK 1 10.0.0.1:6379\r\n", "Redis Cluster, which AuthGate does not support"),
    "CLUSTERDOWN": (b"-CLUSTERDOWN Hash slot not served\r\n", "Redis Cluster, which AuthGate does not support"),
    "CROSSSLOT": (b"-CROSSSLOT Keys in request don't hash\r\n", "Redis Cluster, which AuthGate does not support"),
    "LOADING": (b"-LOADING Redis is loading the dataset in memory\r\n", "starting up"),
}

# Replies without an end: a beginning, and what is repeated.
FLOODS = {
    "a text of 4 GB": (b"$4000000000\r\n", b"a" * 65536),
    "a text of 260 KB": (b"$260000\r\n", b"a" * 65536),
    "an array of 10^9": (b"*1000000000\r\n", b":1\r\n" * 16384),
    "deep arrays": (b"", b"*1\r\n" * 16384),
    "a line": (b"+", b"a" * 65536),
    "an error": (b"-ERR ", b"a" * 65536),
    "replies": (stored("ada-1"), stored("bob-1") * 100),
}


class Controlled:
    """Answers each question when the test says so. `keys` are the questions so far, on all connections."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.go_on = threading.Semaphore(0)

    def __call__(self, connection: Connection) -> None:
        while True:
            key = asked(connection)
            self.keys.append(key)
            self.go_on.acquire(timeout=60)
            connection.send(stored(key))


class Unasked:
    """Honest for one lookup. Then, without a question, it sends *extra* when the test says so, and is honest again."""

    def __init__(self, extra: bytes) -> None:
        self.extra = extra
        self.send_now = threading.Event()

    def __call__(self, connection: Connection) -> None:
        connection.send(stored(asked(connection)))
        asked(connection)
        connection.send(bulk(b""))
        self.send_now.wait(60)
        connection.send(self.extra)
        honest(connection)
