"""Attacks on the log: hostile text in a line, and tokens, secrets or claims that leak."""

from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager
from itertools import count
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import pytest

from authgate.adapters import ADAPTERS
from authgate.config.load import load
from authgate.core.errors import ConfigError
from authgate.core.reasons import REASONS
from authgate.log import logging_to
from authgate.record import Lines
from authgate.wiring import prepare
from tests.support.deciding import bearer, decide_now, make_snapshot, secret_keys
from tests.support.serving import bearer_line, exchange, fresh, head, serving
from tests.support.tokens import OTHER_SECRET, b64, public_jwk, sign_raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    from tests.support.serving import Served

PROXIES = tuple(ADAPTERS)
SECRET_CANARY = "canary-SECRET-7f3a9c51e8d24b06-only-for-the-server"
CLAIM_CANARY = "canaryclaim4711"


@contextmanager
def captured(log_format: Literal["json", "text"] = "json") -> Iterator[io.StringIO]:
    """Log all levels, as AuthGate itself does, into the yielded text. It is complete when the context ends."""
    root, library = logging.getLogger(), logging.getLogger("aiohttp")
    before = root.handlers, root.level, library.level
    stream = io.StringIO()
    try:
        with TemporaryFile("w+") as file:
            with logging_to(file, log_format):
                root.setLevel(logging.NOTSET)
                yield stream
            file.seek(0)
            stream.write(file.read())
    finally:
        root.handlers = before[0]
        root.setLevel(before[1])
        library.setLevel(before[2])


def unbounded() -> Lines:
    """Return bounds that admit every line: a minute passes before each."""
    return Lines(elapsed=count(0, 60).__next__)


BREAKERS = [
    "a\r\nlevel=error",
    'a","reason":"none","x":"',
    "a\x1b[31mred\x1b[0m",
    "a\0b",
    "\u2028\u2029\x85",
    "\\",
    "\udc80",
    '{"event":"allow"}',
]


ISSUER = """
issuers: [{{name: app, preset: jwt, jwks_file: {jwks}, issuer: "https://app", audiences: [api]}}]
log: {{details: true, allowed: true}}
"""


async def _ask_about(served: Served, text: str) -> None:
    def token(**changes: Any) -> str:
        return fresh(**{"algorithm": "Ed25519", "iss": "https://app", "aud": "api", "header": {"kid": "k1"}} | changes)

    for hostile in (
        token(header={"kid": text}),
        token(header={"kid": "k1", "typ": text}),
        token(header={"kid": "k1", "alg": text}),
        token(iss=text),
        token(aud=text),
        token(sub=text, jti=text, name=text),
        token(sub=text, exp=1),
        token(name=text, exp=1),
        token(name=text),
    ):
        await served.ask("traefik", bearer_line(hostile))
    in_line = text.replace("\r\n", " ").replace("\0", "")
    for lines in ([("User-Agent", in_line)], [("X-Request-Id", in_line), ("traceparent", in_line)]):
        await served.ask("traefik", *lines)
    await served.ask("traefik", uri="/" + in_line.replace(" ", "").replace("\\", "").replace("\x1b", ""))
    for uri in (f"/{in_line}", f"/#{in_line}"):
        await served.ask("traefik", uri=uri)
    await served.ask("traefik", host=in_line)
    await served.ask("nginx", method=in_line)
    await served.ask("nginx", scheme=in_line)


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("text", BREAKERS)
async def test_H14_no_text_from_a_client_breaks_a_log_line(tmp_path: Path, log_format: Any, text: str) -> None:
    """CVE-2025-25294 (Envoy Gateway): line breaks, terminal colors and JSON in paths, kid, sub and User-Agent."""
    jwks, config = tmp_path / "jwks.json", tmp_path / "authgate.yaml"
    jwks.write_text(json.dumps(public_jwk("Ed25519", "k1")))
    config.write_text(ISSUER.format(jwks=jwks))
    with captured(log_format) as stream:
        async with serving({}, file=str(config)) as served:
            served.app.live.recorder.lines = unbounded()
            await _ask_about(served, text)
    assert stream.getvalue().isascii()
    lines = stream.getvalue().splitlines()
    assert all(line.isprintable() for line in lines)
    by_issuer = "malformed_token" if text == "\udc80" else "unknown_issuer"  # a lone surrogate is malformed
    by_audience = "malformed_token" if text == "\udc80" else "wrong_audience"
    for reason in ("unknown_key", "wrong_type", by_issuer, by_audience, "expired", "no_credential"):
        assert any(reason in line for line in lines), reason
    if log_format == "json":
        parsed = [json.loads(line) for line in lines]
        assert {line["event"] for line in parsed if "adapter" in line} == {"deny", "allow"}
        assert {line["reason"] for line in parsed if line["event"] == "deny"} <= {reason.value for reason in REASONS}


def _canary_tokens() -> dict[str, str]:
    """Return a good token and one for each refusal. They contain the claim canary everywhere."""
    key, more = SECRET_CANARY.encode(), {"private": CLAIM_CANARY}
    good = fresh(key=key, **more)
    header, payload, signature = good.split(".")
    return {
        "good": good,
        "tampered": f"{header}.{payload}.{signature[:-4]}AAAA",
        "expired": fresh(key=key, exp=1, **more),
        "early": fresh(key=key, nbf=9_999_999_999, **more),
        "other secret": fresh(key=OTHER_SECRET, **more),
        "audience": fresh(key=key, aud=CLAIM_CANARY, **more),
        "issuer": fresh(key=key, iss=CLAIM_CANARY, **more),
        "no subject": fresh(key=key, sub=None, **more),
        "bad subject": fresh(key=key, sub=[CLAIM_CANARY]),
        "bad time": fresh(key=key, exp=CLAIM_CANARY),
        "too large": fresh(key=key, name=CLAIM_CANARY * 600),
        "key id": fresh(key=key, header={"kid": CLAIM_CANARY}),
        "algorithm": sign_raw(json.dumps({"alg": CLAIM_CANARY}).encode(), b"{}", key=key),
        "typ": fresh(key=key, header={"typ": CLAIM_CANARY}),
        "crit": fresh(key=key, header={"crit": [CLAIM_CANARY]}),
        "no JSON": sign_raw(b'{"alg":"HS256"', CLAIM_CANARY.encode(), key=key),
        "one part": b64(CLAIM_CANARY.encode()),
        "json": json.dumps({"payload": CLAIM_CANARY, "signature": b64(key)}),
    }


async def _show_everywhere(served: Served, token: str) -> bytes:
    """Send *token* in every place where a token may be, by design or by mistake. Return all replies."""
    query = f"/callback?access_token={token}"
    in_headers = [[bearer_line(token)], [("Cookie", f"access_token={token}")], [bearer_line(token)] * 2]
    in_headers += [[("Authorization", f"Basic {token}")], [("X-Request-Id", f" {token}!")], [("X_User_Id", token)]]
    in_headers += [[("Cookie", f"access_token={token}; access_token=x{token}")], [("Referer", query), ("Bad", "\0")]]
    answered = b""
    for proxy in PROXIES:
        for lines in in_headers:
            answer = await served.ask(proxy, *lines)
            # An allowed reply shows the identity of a good token, but the canary is in no mapped claim.
            answered += answer.head + answer.body
        for uri in (query, f"{query}#", f"/callback#access_token={token}"):
            answer = await served.ask(proxy, uri=uri)
            answered += answer.head + answer.body
    for url in (query, f"app.example.com{query}", f"https:app{query}", f"https://[bad{query}", f"https://a#t={token}"):
        lines = [("Host", "a"), ("X-Original-Method", "GET"), ("X-Original-URL", url)]
        answer = await exchange(served.auth, head("/auth/nginx", lines))
        answered += answer.head + answer.body
    for path in (f"/auth/traefik?token={token}", f"/auth/{token}", f"/{token} HTTP/9 \r\n"):
        answer = await exchange(served.auth, head(path, [("Host", "a")]))
        answered += answer.head + answer.body
    return answered


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("kind", _canary_tokens())
async def test_H15_no_token_secret_or_claim_is_logged_answered_or_counted(kind: str, *, details: bool) -> None:
    """CVE-2022-23469 (Traefik): Authorization in debug logs; CVE-2022-29266 (APISIX): the secret in an error's body."""
    token = _canary_tokens()[kind]
    environ = {
        "JWT_SECRET": SECRET_CANARY,
        "AUTHGATE_AUDIENCE": "",
        "AUTHGATE_LOG__ALLOWED": "true",
        "AUTHGATE_LOG__DETAILS": str(details).lower(),
    }
    with captured() as stream:
        async with serving(environ) as served:
            served.app.live.recorder.lines = unbounded()
            answered = await _show_everywhere(served, token)
            metrics = await served.metrics()
    logged = stream.getvalue()
    assert logged.count('"unreadable_request"') >= 8
    assert "authgate_decisions_total" in metrics
    written = {"log": logged, "replies": answered.decode(), "metrics": metrics}
    parts = [part for part in token.split(".") if len(part) >= 12]
    for where, text in written.items():
        for part in (token, *parts[1:]):  # the first is the header, which is the same for everybody
            assert part not in text, where
        assert SECRET_CANARY not in text, where
        assert b64(SECRET_CANARY.encode()) not in text, where
        # `log.details` may quote claims, but only in the log, and never a token or secret.
        assert CLAIM_CANARY not in text or (details and where == "log"), where


@pytest.mark.parametrize("kind", _canary_tokens())
def test_H15_the_repr_of_a_request_or_decision_hides_the_token(kind: str) -> None:
    token = _canary_tokens()[kind]
    snapshot = make_snapshot(proofs=make_snapshot().proofs)
    request = bearer(token)
    decision = decide_now(request, snapshot)
    for thing in (request, decision, snapshot, secret_keys(SECRET_CANARY.encode())):
        assert token not in repr(thing)
        assert SECRET_CANARY not in repr(thing)


@pytest.mark.parametrize("secret", ["canary-short", f" {SECRET_CANARY}", "canary-canary-canary-canary-canary-can\n\n"])
def test_H15_an_error_at_start_up_does_not_quote_the_secret(secret: str) -> None:
    with pytest.raises(ConfigError) as error:
        prepare(load(None, {"JWT_SECRET": secret}))
    assert secret.strip() not in f"{error.value} {error.value!r} {error.value.problems!r}"


def test_H15_the_repr_of_a_loaded_configuration_hides_the_secret() -> None:
    loaded = load(None, {"JWT_SECRET": SECRET_CANARY})
    prepared = prepare(loaded)
    text = f"{loaded!r} {prepared!r} {prepared.announcements} {prepared.warnings} {prepared.fingerprints}"
    assert SECRET_CANARY not in text
