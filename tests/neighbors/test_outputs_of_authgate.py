"""What issuers, stores and clients write reaches the text log and the admin port's pages quoted, line by line."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import yaml

from tests.neighbors import lying, postgres_modes
from tests.neighbors.beside import better_auth
from tests.neighbors.hostile import CANARY, assert_harmless, harmless
from tests.support import commands
from tests.support import session_cookies as cookies
from tests.support.client import ask
from tests.support.processes import RunningAuthGate, authgate
from tests.support.tokens import SECRET, b64, public_jwk, sign_raw
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.neighbors.lying import Connection, Mode

ISS = "https://i.example"


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def in_a_header(text: str) -> str:
    """Return *text* without what no header can have: llhttp refuses it."""
    return "".join(character for character in text if character >= " " and character != "\x7f")


def response(status: str = "200 OK", headers: str = "", body: bytes = b"") -> bytes:
    return raw(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n") + body


def documents(foreign: str) -> dict[str, bytes]:
    """Return what the server of keys answers at each path."""
    header = in_a_header(foreign)
    good = public_jwk("ES256", "good")
    bad: list[Any] = [
        {**good, "kid": foreign, "alg": foreign},
        {**good, "kid": foreign, "use": foreign},
        {**good, "kid": foreign, "key_ops": [foreign]},
        {**good, "kid": foreign, "crv": foreign},
        {**good, "kid": f"{foreign}2", "kty": foreign},
        {**good, "kid": f"{foreign}3", "x": foreign},
        {**good, "kid": [foreign]},
        foreign,
    ]

    def as_json(document: object) -> bytes:
        return response(body=json.dumps(document).encode())

    return {
        "/reason": response(f"500 {header}"),
        "/redirect": response("302 Found", f"Location: {header}\r\n"),
        "/encoding": response(headers=f"Content-Encoding: {header}\r\n"),
        "/head": raw(f"HTTP/1.1 200 OK\r\n{foreign}\r\n\r\n"),
        "/protocol": raw(foreign),
        "/text": response(body=raw(foreign)),
        "/json": as_json({foreign: foreign}),
        "/set": as_json({"keys": [{**good, "kid": f"{foreign}0"}, *bad]}),
        "/only": as_json({"keys": bad}),
        "/.well-known/openid-configuration/metadata": response("404 Not Found"),
        "/metadata/.well-known/openid-configuration": as_json({"issuer": foreign, "jwks_uri": foreign}),
        "/uri/.well-known/openid-configuration": as_json({"issuer": "{issuer}", "jwks_uri": foreign}),
    }


def http(answers: dict[str, bytes]) -> Mode:
    """Answer each request with what is at its path."""

    def mode(connection: Connection) -> None:
        path = connection.read().split(b" ")[1].decode()
        connection.send(answers.get(path, response("404 Not Found")))

    return mode


def settings(port: int, database: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    dsn = f"postgresql://a:b@127.0.0.1:{database}/a?sslmode=disable"
    common = {"preset": "jwt", "audiences": ["tasks"], "allow_http": True, "refresh_seconds": 3600}
    paths = ("reason", "redirect", "encoding", "head", "protocol", "text", "json", "set", "only")
    issuers: list[dict[str, Any]] = [
        {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "issuer": ISS, "audiences": ["tasks"]},
        *({"name": path, "issuer": f"{url}/of-{path}", "jwks_url": f"{url}/{path}", **common} for path in paths),
        *({"name": path, "issuer": f"{url}/{path}", "discovery": True, **common} for path in ("metadata", "uri")),
        {**better_auth(postgres={"dsn": dsn}), "name": "store", "subject_prefix": "store:"},
    ]
    for issuer in issuers:
        issuer.setdefault("subject_prefix", f"{issuer['name']}:")
    headers = {"X-User-Id": "subject", "X-User-Name": "name", "X-User-Roles": "roles"}
    return {"issuers": issuers, "headers": headers, "log": {"format": "text", "details": True, "allowed": True}}


def token(header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = {"iss": ISS, "aud": "tasks", "sub": "u", "exp": 4_000_000_000}
    return sign_raw(json.dumps({"alg": "HS256", **(header or {})}).encode(), json.dumps({**now, **claims}).encode())


def requests(foreign: str) -> Iterator[tuple[str, ...]]:
    """Yield the headers of requests with *foreign* in each place. Each is decided, and has one line in the log."""
    shown = in_a_header(foreign)
    method, url = "X-Original-Method: GET", "X-Original-URL: http://a/"
    for claim in ("iss", "aud", "sub", "exp", "nbf", "name", "email", "roles", "jti"):
        for value in (foreign, [foreign], {foreign: foreign}):
            yield method, url, f"Authorization: Bearer {token(**{claim: value})}"
    for name in ("alg", "kid", "typ", "cty"):
        yield method, url, f"Authorization: Bearer {token({name: foreign})}"
    yield method, url, f"Authorization: Bearer {b64(raw(foreign))}.e30.e30"
    yield method, url, f"Authorization: {shown}"
    yield method, url, f"Cookie: better-auth.session_token={shown}; {shown}"
    yield method, url, f"Origin: {shown}", f"X-Request-Id: {shown}", f"traceparent: {shown}", f"User-Agent: {shown}"
    yield method, url, f"X-Forwarded-For: {shown}"
    yield method, f"X-Original-URL: http://a/{shown}"
    yield method, f"X-Original-URL: http://{shown}/"
    yield f"X-Original-Method: {shown}", url
    yield method, url, f"X-User-Id: {shown}", f"Connection: {shown}"


def requests_of_browsers(foreign: str) -> Iterator[tuple[str, ...]]:
    """Yield the headers of requests through Traefik, which relays pages to the browser."""
    shown = in_a_header(foreign)
    forwarded = {"Method": "GET", "Proto": "https", "Host": "a.example", "Uri": "/a"}
    for name in ("Proto", "Host", "Uri"):
        lines = (f"X-Forwarded-{each}: {shown if each == name else value}" for each, value in forwarded.items())
        yield *lines, "Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", f"Cookie: {shown}"


def ask_the_store(running: RunningAuthGate) -> None:
    name, value = cookies.cookie_line(token=cookies.signed("ada-1"))
    ask(running.port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/", f"{name}: {value}")


def outcome(folder: Path, foreign: str) -> dict[str, int]:
    """Run AuthGate with *foreign* in every place. Return how many lines each output has."""
    folder.mkdir()
    store = postgres_modes.refuses(b"28000", raw(foreign.replace("\0", "")))
    with ExitStack() as stack:
        keys = stack.enter_context(lying.lying(http(documents(foreign))))
        issuer = f"http://127.0.0.1:{keys.port}/uri"
        known = {path: answer.replace(b"{issuer}", issuer.encode()) for path, answer in documents(foreign).items()}
        known["/uri/.well-known/openid-configuration"] = response(
            body=json.dumps({"issuer": issuer, "jwks_uri": foreign}).encode()
        )
        keys.mode = http(known)
        database = stack.enter_context(lying.lying(store))
        config = settings(keys.port, database.port)
        running = stack.enter_context(authgate(folder, yaml.safe_dump(config)))

        def failed() -> bool:
            states = [issuer["state"] for issuer in ask(running.admin_port, "/keys").json["issuers"].values()]
            return states.count("no keys") == 10

        until(failed)
        ask_the_store(running)
        asked = [("/auth/nginx", lines) for lines in requests(foreign)]
        asked += [("/auth/traefik", lines) for lines in requests_of_browsers(foreign)]
        for number, (path, lines) in enumerate(asked, 1):
            answer = ask(running.port, path, *lines, f"X-Forwarded-For: 192.0.2.{number}")
            assert all(value.isascii() and value.isprintable() for header in answer.headers for value in header)
            assert_harmless(answer.body.decode())
        pages = {path: ask(running.admin_port, path).body.decode() for path in ("/keys", "/readyz", "/metrics")}
        counts = {path: page.count("\n") for path, page in pages.items()}
        for page in pages.values():
            assert page.isascii()
            assert_harmless(page)
        for value in _texts(json.loads(pages["/readyz"])):
            assert value.isprintable(), ascii(value)
        for arguments in (["keys"], ["keys", "--json"], ["healthcheck"], ["check", "--fetch"]):
            ended = commands.authgate(*arguments, "--config", running.config, environ={})
            assert "Traceback" not in ended.stderr
            assert_harmless(ended.stdout)
            assert_harmless(ended.stderr)
            if arguments != ["keys"]:  # its lines depend on the time; test_outputs.py counts those of a fixed report
                counts[str(arguments)] = len(without_events(ended.stdout)) + ended.stderr.count("\n")
        running.process.terminate()
        assert running.process.wait(30) == 0
        log = running.log.read_text("utf-8")
    assert_harmless(log)
    lines = log.splitlines()
    assert [line for line in lines if not re.match(r"\d\d:\d\d:\d\d (info|warning|error) ", line)] == []
    assert "internal error" not in log
    assert "issuer store: sessions cannot be looked up: " in log
    assert len([line for line in lines if re.match(r"\S+ \w+ +(?:allow|deny) ", line)]) == len(asked) + 1
    # How often the store is asked again depends on the time.
    return counts | {"log": len([line for line in lines if "store" not in line])}


def without_events(output: str) -> list[str]:
    """Return the lines of *output* without the events of `keys --json`: how many there are depends on the time."""
    if not output.startswith("{"):
        return output.splitlines()
    report = json.loads(output)
    for issuer in report["issuers"].values():
        issuer["events"] = []
    return json.dumps(report, indent=2).splitlines()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, str):
        yield value


def test_hostile_text_is_as_many_lines_as_harmless_text(tmp_path: Path) -> None:
    assert outcome(tmp_path / "hostile", CANARY) == outcome(tmp_path / "harmless", harmless(CANARY))
