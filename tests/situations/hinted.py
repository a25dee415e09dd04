"""Situations in which `explain` must name the cause, and others in which it must name none."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.tokens import derived
from tests.situations.explained import bearer, explained, publish
from tests.support import session_cookies
from tests.support.tokens import OTHER_SECRET, SECRET, claims, mint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RAW = bytes(range(7, 7 + 64))
TEXT = SECRET.decode()
ISS = "https://ids.example.com"
KEYS = f'{{name: idp, preset: jwt, issuer: "{ISS}", audiences: [tasks], jwks_file: jwks.json}}'
NO_ISS = "{name: idp, preset: jwt, audiences: any, jwks_file: jwks.json}"
WITH_SECRET = f'{{name: api, preset: jwt, audiences: any, secret: "{TEXT}"}}'
SESSIONS = f'{{name: app, preset: better-auth, secret: "{TEXT}"}}'
AUTHJS = f'{{name: next, preset: authjs, url: "https://app.example.com", secret: "{TEXT}"}}'
NEXTAUTH = f'{{name: na, preset: nextauth-v4, url: "https://app.example.com", secret: "{TEXT}"}}'


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A request with *headers* under the *issuers* is answered with *answer*.

    The hints of `explain` have every text in *has*. If there is none, `explain` gives no hint.
    """

    issuers: str
    headers: Mapping[str, str]
    answer: str
    has: tuple[str, ...] = ()
    more: str = ""
    url: str = "https://app.example.com/api/v1/tasks"
    method: str = "GET"
    files: Mapping[str, bytes] = field(default_factory=dict)


def signed(algorithm: str = "RS256", /, *, header: dict[str, object] | None = None, **changes: object) -> str:
    """Return a token of the issuer ISS for the audience tasks, with *changes*."""
    return mint(claims(**({"iss": ISS, "aud": "tasks"} | changes)), algorithm=algorithm, header=header)


def secret_in(text: bytes, preset: str = "jwt, audiences: any") -> str:
    return f"{{name: api, preset: {preset}, secret: {json.dumps(text.decode())}}}"


def with_secret(secret: bytes, algorithm: str = "HS256") -> Mapping[str, str]:
    return bearer(mint(claims(), algorithm=algorithm, key=secret))


def padded(token_claims: dict[str, object], key: object = None, **header: object) -> str:
    """Return a token whose parts are padded before the signature is made, as AWS ALB does."""
    parts = [json.dumps({"alg": "HS256", **header}), json.dumps(token_claims)]
    signing_input = ".".join(base64.urlsafe_b64encode(part.encode() + b" ").decode() for part in parts)
    assert "=" in signing_input
    signature = mint(claims(), key=key).rpartition(".")[2]
    return f"{signing_input}.{signature}="


def authjs(secret: bytes) -> str:
    """Return a session of Auth.js under *secret*, which need not be fit."""
    name = "__Secure-authjs.session-token"
    key = next(key for key in derived.authjs((secret,), (name,), check=False).keys if key.algorithm == "A256CBC-HS512")
    header = {"enc": key.algorithm, "kid": key.key_id}
    return session_cookies.encrypted(json.dumps(session_cookies.authjs_claims()).encode(), key.material, header)


def cookies(*pairs: str) -> Mapping[str, str]:
    return {"Cookie": "; ".join(pairs)}


TOKEN = mint(claims())
BASE64 = base64.b64encode(RAW)
# The headers of a preflight, in which no secret is.
_MAY_BE_SHOWN = ("Origin", "Access-Control-Request-Method")
JWK = '{"kty": "oct", "k": "…", "alg": "HS256"}'


def check(folder: Path, situation: Situation) -> None:
    """Explain the request, and compare the answer and the hints."""
    publish(folder)
    for name, content in situation.files.items():
        (folder / name).write_bytes(content)
    config = f"issuers: [{situation.issuers}]\n{situation.more}\n"
    result = explained(folder, config, situation.headers, method=situation.method, url=situation.url)
    assert result.answer == situation.answer
    hints = "\n".join(result.hints)
    assert [text for text in situation.has if text not in hints] == [], hints
    assert bool(situation.has) or not hints, hints
    for hint in result.hints:
        assert f"→ {hint}" in result.text
    values = [value for name, value in situation.headers.items() if name not in _MAY_BE_SHOWN]
    for hidden in (TEXT, OTHER_SECRET.decode(), BASE64.decode(), RAW.hex(), *values):
        assert hidden not in result.text
