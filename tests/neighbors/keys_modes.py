"""What a server at the address of a key set may send. One server has many paths, each with a mode of its own."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from typing import TYPE_CHECKING, Any

from tests.neighbors.http_modes import response
from tests.neighbors.lying import resetting, silent
from tests.support.fetching import FLOODS
from tests.support.tokens import b64, private_key

if TYPE_CHECKING:
    from tests.neighbors.lying import Connection, Mode

MIB = 1024 * 1024


def path_of(connection: Connection) -> str:
    """Return the path of the next request."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.read()
    return head.decode().split(" ")[1]


class Paths:
    """Serves each connection by the mode of its path. The modes may be replaced."""

    def __init__(self, modes: dict[str, Mode]) -> None:
        self.modes = modes
        self.connections: dict[str, list[Connection]] = {path: [] for path in modes}

    def add(self, path: str, mode: Mode) -> None:
        self.modes[path] = mode
        self.connections.setdefault(path, [])

    def __call__(self, connection: Connection) -> None:
        path = path_of(connection)
        self.connections[path].append(connection)
        self.modes[path](connection)


def sending(raw: bytes) -> Mode:
    """Send *raw*, and close the connection."""
    return lambda connection: connection.send(raw)


def pouring(beginning: bytes, more: bytes) -> Mode:
    """Send *beginning*, and then *more* without an end."""

    def pour(connection: Connection) -> None:
        connection.send(beginning)
        connection.send_endlessly(more)

    return pour


def dripping(connection: Connection) -> None:
    """Send a byte of a body now and then."""
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n")
    connection.send_slowly(b" " * 3000)


def keys(*members: Any) -> bytes:
    return json.dumps({"keys": members}).encode()


def sound_keys() -> bytes:
    """Return a key set with the tests' ES256 key, as K1."""
    numbers = private_key("ES256").public_key().public_numbers()
    x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return keys({"kty": "EC", "crv": "P-256", "kid": "K1", "x": x, "y": y})


def _rsa(bits: int, exponent_bits: int = 17, **members: str) -> dict[str, str]:
    modulus, exponent = (
        base64.urlsafe_b64encode((1 << (size - 1) | secrets.randbits(size - 1) | 1).to_bytes((size + 7) // 8, "big"))
        for size in (bits, exponent_bits)
    )
    return {"kty": "RSA", "n": modulus.decode().rstrip("="), "e": exponent.decode().rstrip("="), **members}


# Documents that hold no key to use. Each has at most 256 KiB, so that it is parsed.
DOCUMENTS = {
    "87,000 keys": b'{"keys":[' + b",".join([b"{}"] * 87_000) + b"]}",
    "130,000 numbers": b'{"keys":[' + b",".join([b"0"] * 130_000) + b"]}",
    "a modulus of 1.5 million bits": keys(_rsa(1_500_000)),
    "an exponent of 1.4 million bits": keys(_rsa(2048, 1_400_000)),
    "64 long moduli": keys(*(_rsa(20_000, kid=str(number)) for number in range(64))),
    "deep JSON": b"[" * 131_000 + b"]" * 131_000,
    "deep JSON in a set": b'{"keys":' + b"[" * 131_000,
    "15,000 members": json.dumps({f"{number:x}": 0 for number in range(15_000)} | {"keys": []}).encode(),
    "a number of 260,000 digits": b'{"keys":[' + b"1" * 260_000 + b"]}",
    "37,000 floats": b'{"keys":[' + b",".join([b"1.1e99"] * 37_000) + b"]}",
    "43,000 escapes": b'{"keys":["' + b"\\u00e9" * 43_000 + b'"]}',
    "an empty set": b'{"keys":[]}',
    "its own metadata": b'{"issuer": "x", "jwks_uri": "x"}',
}
RESPONSES = {
    "a bomb": response(gzip.compress(b" " * 64 * MIB), "Content-Encoding: gzip"),
    "a bomb that hides": response(gzip.compress(b" " * 64 * MIB)),
    "a redirect to itself": response(b"", "Location: /", status="302 Found"),
    "a body of 1 MiB": response(b" " * MIB),
    "control characters": response(b"\x1b[31m\xe2\x80\xae", status="500 \x1b[31m"),
}
MODES: dict[str, Mode] = {
    **{name: sending(response(document)) for name, document in DOCUMENTS.items()},
    **{name: sending(raw) for name, raw in RESPONSES.items()},
    **{f"endless {name}": pouring(*flood) for name, flood in FLOODS.items()},
    "dripping": dripping,
    "resetting": resetting,
    "silent": silent,
}
