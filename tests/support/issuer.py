"""A real issuer of the tests: a process that publishes keys, correctly or in one of many broken ways.

    with running_issuer(tmp_path) as issuer:
        issuer.token(sub="u1")                                       # signed with "K1", which issuer.jwks_url publishes
        issuer.rotate("K2", overlap=True)
        issuer.answer("status", code=503, times=2)                   # the next two requests for the key set
        issuer.answer("slow", seconds=5, on=issuer.openid_path)      # until issuer.answer("ok", on=issuer.openid_path)
        assert len(issuer.requests(issuer.jwks_path)) == 3

The private keys stay in the test. The process (tests/support/issuer_server.py) gets the documents to publish.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from tests.support.processes import free_port, running
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.support.certificates import Pair

_TIMEOUT_SECONDS = 20.0

_NEW_KEY: dict[str, Callable[[], Any]] = {
    "RS": lambda: rsa.generate_private_key(65537, 2048),
    "PS": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of the issuer. *algorithm* "EdDSA" is Ed25519 under its old name."""

    key_id: str
    algorithm: str
    private: Any

    @classmethod
    def new(cls, key_id: str, algorithm: str) -> SigningKey:
        return cls(key_id, algorithm, _NEW_KEY.get(algorithm, _NEW_KEY.get(algorithm[:2]))())

    @property
    def jwk(self) -> dict[str, Any]:
        name = "EdDSA" if self.algorithm.startswith("Ed") else self.algorithm
        jwk = jwt.get_algorithm_by_name(name).to_jwk(self.private.public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        return {**jwk, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the issuer read. Names of headers are in lower case, *at* is unix time."""

    method: str
    path: str
    headers: dict[str, str]
    at: float


class Issuer:
    """A running issuer with the key "K1". *on* is one of its paths, by default that of the key set."""

    def __init__(self, address: str, path: str, control_port: int, first: SigningKey) -> None:
        self._origin = address
        self.address = address.partition("://")[2]
        """Where it listens, as host:port."""
        self._control_port = control_port
        self.control_address = f"127.0.0.1:{control_port}"
        """Where the test tells it what to do."""
        self.url = address + path
        """The issuer's identifier: `iss`, and where discovery starts."""
        self.jwks_path = f"{path}/jwks"
        self.openid_path = f"{path}/.well-known/openid-configuration"
        """OpenID Connect Discovery §4: after the issuer's path."""
        self.oauth_path = f"/.well-known/oauth-authorization-server{path}"
        """RFC 8414 §3.1: between the host and the issuer's path."""
        self.jwks_url = address + self.jwks_path
        self.openid_url = address + self.openid_path
        self.oauth_url = address + self.oauth_path
        self.keys = {first.key_id: first}
        """Every key that there ever was, published or not."""
        self.current = first.key_id
        self.publish(first.key_id)
        self.discovery()

    def token(
        self,
        sub: str | None = "u1",
        *,
        key: str | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token for the audience "tasks", valid for 15 minutes; a None leaves a claim or header out.

        It is signed with the current key, or with the one whose id is *key*, published or not.
        """
        signing = self.keys[key or self.current]
        now = int(time.time())
        payload = {"iss": self.url, "sub": sub, "aud": "tasks", "iat": now, "exp": now + 900, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        named = {"kid": signing.key_id, **(header or {})}
        return mint(payload, algorithm=signing.algorithm, key=signing.private, header=named)

    def add(self, key_id: str, algorithm: str | None = None) -> SigningKey:
        """Make a key, by default for the current key's algorithm, without publishing it."""
        self.keys[key_id] = SigningKey.new(key_id, algorithm or self.keys[self.current].algorithm)
        return self.keys[key_id]

    def tenant(self, path: str, algorithm: str = "ES256") -> Issuer:
        """Return another issuer of the same process, at *path* ("/tenant"), with keys of its own."""
        return Issuer(self._origin, path, self._control_port, SigningKey.new("K1", algorithm))

    def publish(self, *key_ids: str) -> None:
        """Publish a key set of exactly these keys."""
        self.published = key_ids
        self.document({"keys": [self.keys[key_id].jwk for key_id in key_ids]})

    def rotate(self, key_id: str, *, overlap: bool, algorithm: str | None = None) -> None:
        """Sign with a new key from now on. With *overlap* the key set still lists the others."""
        self.add(key_id, algorithm)
        self.publish(*(self.published if overlap else ()), key_id)
        self.current = key_id

    def document(self, document: Any, *, on: str | None = None) -> None:
        """Publish *document* at any path. If it is not text, it is written as JSON."""
        self._tell("publish", on or self.jwks_path, document if isinstance(document, str) else json.dumps(document))

    def discovery(self, *, on: str | None = None, **changes: Any) -> None:
        """Publish the metadata at both paths, with *changes* (`issuer=`, `jwks_uri=`); a None leaves a member out."""
        metadata = {
            "issuer": self.url,
            "jwks_uri": self.jwks_url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.keys[self.current].algorithm],
            **changes,
        }
        metadata = {name: value for name, value in metadata.items() if value is not None}
        for path in [on] if on else [self.openid_path, self.oauth_path]:
            self.document(metadata, on=path)

    def withdraw(self, path: str) -> None:
        """Answer 404 at *path* from now on."""
        self._tell("withdraw", path)

    def answer(self, behavior: str, *, times: int | None = None, on: str | None = None, **options: Any) -> None:
        """Answer the next *times* requests, or all, with one of BEHAVIORS in issuer_answers.py.

        ok · bearer token= · slow seconds= · trickle seconds= head= · status code= headers= · body text= headers= ·
        garbage · malformed · empty_set · bad_key jwk= · many_keys count= · huge size= chunked= · gzip padding= ·
        wrong_length by= · cut_off chunked= · drop reset= · redirect to= code= · flapping code=
        """
        self._tell("answer", on or self.jwks_path, behavior, times, options)

    def headers(self, headers: Mapping[str, str], *, on: str | None = None) -> None:
        """Send these headers with every answer: Cache-Control, Age, Expires, another Content-Type."""
        self._tell("headers", on or self.jwks_path, dict(headers))

    def etag(self, kind: str | None = "strong", *, on: str | None = None) -> None:
        """Send a "strong" or "weak" ETag of the document, and 304 if the client has it already. None: no ETag."""
        self._tell("etag", on or self.jwks_path, kind)

    def requests(self, path: str | None = None) -> list[Request]:
        """Return the requests for *path*, or for any path, since the start or the last `forget`."""
        requests = [Request(**row) for row in self._tell("seen")["requests"]]
        return [request for request in requests if path is None or request.path == path]

    def connections(self) -> int:
        """Return how many TCP connections were accepted since the start or the last `forget`."""
        return int(self._tell("seen")["connections"])

    def open_connections(self) -> int:
        return int(self._tell("seen")["open"])

    def forget(self) -> None:
        """Reset the requests and counts."""
        self._tell("forget")

    def close(self) -> None:
        """End every connection and refuse new ones, until `reopen`."""
        self._tell("close")

    def reopen(self) -> None:
        """Listen again, on the same port."""
        self._tell("reopen")

    def _tell(self, command: str, *arguments: Any) -> Any:
        with socket.create_connection(("127.0.0.1", self._control_port), timeout=_TIMEOUT_SECONDS) as control:
            control.sendall(json.dumps([command, arguments]).encode() + b"\n")
            with control.makefile("rb") as answer:
                answered = json.loads(answer.read())
        if "error" in answered:
            raise ValueError(f"{command}{arguments}: {answered['error']}")
        return answered["answer"]


@contextmanager
def running_issuer(
    folder: Path, *, tls: Pair | None = None, path: str = "", algorithm: str = "ES256", host: str = "127.0.0.1"
) -> Iterator[Issuer]:
    """Run an issuer on a free loopback port. With *tls* it speaks https with that certificate, as *host*.

    *path* ("/tenant") makes it an issuer with a path, one of many on its host.
    """
    port, control_port = free_port(), free_port()
    command = [sys.executable, "-m", "tests.support.issuer_server", str(port), str(control_port)]
    name = f"issuer-{port}"
    if tls is not None:
        command.append(str(tls.write(folder / name)))
    with running(command, folder / f"{name}.log", port=control_port):
        address = f"{'https' if tls else 'http'}://{host}:{port}"
        yield Issuer(address, path, control_port, SigningKey.new("K1", algorithm))


TASKS = {"preset": "jwt", "audiences": ["tasks"]}


def by_url(name: str, issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """Return the configuration of an issuer by its jwks_url; a None leaves a setting out."""
    settings = {"name": name, **TASKS, "issuer": issuer.url, "jwks_url": issuer.jwks_url, "allow_http": True, **changes}
    return {name: value for name, value in settings.items() if value is not None}
