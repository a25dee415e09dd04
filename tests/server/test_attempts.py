"""A request costs the real server at most 8 operations with public keys. They are counted at the library of keys."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from authgate.core.attempts import MAX_ATTEMPTS
from bench.attacked import configuration
from bench.expensive_heads import HEADS, SECRET, bearer, ec_signature, jws
from tests.support.serving import Served, serving
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@contextmanager
def counting_operations() -> Iterator[list[str]]:
    """Yield the growing list of the verifications that cryptography makes in this thread, by the type of the key."""
    operations: list[str] = []

    def note(_frame: Any, event: str, function: Any) -> None:
        if event == "c_call" and getattr(function, "__name__", "") == "verify":
            key = type(function.__self__)
            if "cryptography" in key.__module__:
                operations.append(key.__name__)

    sys.setprofile(note)
    try:
        yield operations
    finally:
        sys.setprofile(None)


@asynccontextmanager
async def attacked(folder: Path, settings: dict[str, Any]) -> AsyncIterator[Served]:
    path = folder / "authgate.json"
    path.write_text(json.dumps(settings))
    async with serving({}, file=str(path)) as served:
        yield served


ATTACKS = {
    "ES512, 8 keys without kid": ("bad_signature", {"ECPublicKey": 8}),
    "ES512, 4 cookies, 8 keys": ("too_many_attempts", {"ECPublicKey": 8}),
    "Ed448, 4 cookies, 8 keys": ("too_many_attempts", {"Ed448PublicKey": 8}),
    "PS512, 4 cookies, 8 keys": ("too_many_attempts", {"RSAPublicKey": 8}),
    "three issuers, 4 cookies": ("too_many_attempts", {"RSAPublicKey": 8}),
}


async def test_the_server_makes_at_most_eight_operations_for_a_request(tmp_path: Path) -> None:
    async with attacked(tmp_path, configuration(tmp_path, SECRET, rsa_bits=2048)) as served:
        for name, (reason, expected) in ATTACKS.items():
            with counting_operations() as operations:
                answer = await served.ask("nginx", *HEADS[name]())
            assert (answer.reason, {key: operations.count(key) for key in operations}) == (reason, expected), name


async def test_the_count_goes_on_over_several_issuers(tmp_path: Path) -> None:
    settings = configuration(tmp_path, SECRET, rsa_bits=2048)
    for name in ("ec", "ed", "ps"):
        keys = json.loads((tmp_path / name).read_text())["keys"]
        (tmp_path / name).write_text(json.dumps({"keys": keys[:3]}))
    async with attacked(tmp_path, settings) as served:
        with counting_operations() as operations:
            answer = await served.ask("nginx", *HEADS["three issuers, 4 cookies"]())
    assert answer.reason == "too_many_attempts"
    assert operations == ["RSAPublicKey"] * 3 + ["ECPublicKey"] * 3 + ["Ed448PublicKey"] * 2


@contextmanager
def replacing_its_keys(count: int) -> Iterator[tuple[str, list[int]]]:
    """Run an issuer with *count* new keys, without ids, each time it is asked. Yield its address and the times."""
    asked: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys = [ec.generate_private_key(ec.SECP521R1()).public_key() for _ in range(count)]
            members = [jwt.get_algorithm_by_name("ES512").to_jwk(key, as_dict=True) for key in keys]
            document = json.dumps({"keys": [{**member, "alg": "ES512", "key_ops": ["verify"]} for member in members]})
            asked.append(len(asked))
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


async def test_the_count_goes_on_after_newer_keys_were_loaded(tmp_path: Path) -> None:
    """5 keys are tried, then 3 of the 5 newer ones."""
    with replacing_its_keys(5) as (url, asked):
        issuer = {"name": "app", "preset": "jwt", "issuer": url, "jwks_url": f"{url}/jwks", "allow_http": True}
        settings = {"issuers": [issuer | {"audiences": "any", "cooldown_seconds": 1}]}
        async with attacked(tmp_path, settings) as served:
            await until_async(lambda: bool(asked))
            counted = []
            while (answer := await one_forged(served, url, counted)) != "too_many_attempts":
                assert answer in {"bad_signature", "keys_unavailable"}
    assert counted[-1] == MAX_ATTEMPTS
    assert {*counted[:-1]} <= {0, 5}
    assert len(asked) >= 2


async def one_forged(served: Served, url: str, counted: list[int]) -> str:
    """Ask about a forged token. Return the reason, and add the number of operations to *counted*."""
    with counting_operations() as operations:
        answer = await served.ask("nginx", *bearer(jws("", issuer=url, algorithm="ES512", signature=ec_signature())))
    counted.append(len(operations))
    return answer.reason
