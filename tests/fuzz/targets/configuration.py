"""The configuration. The input: YAML. It is loaded and prepared as every command does, without a connection.

Either it can be served, or it has problems, which quote no secret. What can be served refuses a request without
a credential, unless a policy says otherwise.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from authgate.config import _yaml
from authgate.config.load import load
from authgate.config.model import Config
from authgate.core.decision import Allow
from authgate.core.errors import ConfigError
from authgate.core.policy import Access
from authgate.presets import PRESETS
from authgate.wiring import prepare
from tests.support.deciding import bearer, decide_now, request_with
from tests.support.tokens import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.app import Prepared

# No message may hold it.
CANARY = "canary"

WORDS = (
    *(f"\n{name}: ".encode() for name in Config.model_fields),
    *(f"preset: {name}\n".encode() for name in PRESETS),
    *(b"{name: a, ", b"audiences: any", b"secret: ", b"secret_env: S", b"secrets: [", b"sessions: ", b"redis: {url: "),
    *(b"postgres: {dsn: ", b"require: ", b"signed_in", b"match: {", b"path: /a/**", b"public: true", b"optional: true"),
    *(
        b"roles: {any_of: [",
        b"jwks_url: https://a.example/",
        b"issuer: https://a.example",
        b"subject_prefix: ",
        b"null",
    ),
    *(
        b"!!",
        b"&a ",
        b"*a",
        b"<<: ",
        b"- ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"|\n",
        b'"',
        b"\\e",
        b"~",
        b".inf",
        b"canary",
    ),
)

# What AuthGate finds in its environment.
_ENVIRON = {
    "S": f"{CANARY}-environment-0123456789-abcdefghijklmnopqrstuv",
    "JWT_SECRET": f"{CANARY}-0123456789-abcdefghijklmnop",
}
_FILE = os.memfd_create("authgate.yaml")
_PATH = f"/proc/self/fd/{_FILE}"

# Where a text is a secret, may hold a password, and where a text is a mistake that may be a secret.
_ISSUER = ("issuers", "*")
_SECRETS = {(*_ISSUER, "secret"), (*_ISSUER, "secrets"), (*_ISSUER, "secrets", "*")}
_ADDRESSES = {
    *((*_ISSUER, "sessions", store, setting) for store, setting in (("redis", "url"), ("postgres", "dsn"))),
    (*_ISSUER, "outbound_proxy"),
}
_GROUPS = {_ISSUER, (*_ISSUER, "sessions"), (*_ISSUER, "sessions", "redis"), (*_ISSUER, "sessions", "postgres")}
_PASSWORD = re.compile(rf"\w+://\w*:{CANARY}\w*@[\w.:/-]+")


def check(data: bytes) -> None:
    os.truncate(_FILE, 0)
    os.pwrite(_FILE, data, 0)
    try:
        prepared = prepare(load(_PATH, _ENVIRON))
    except ConfigError as error:
        _check_problems(error, data)
        return
    _check_prepared(prepared, data)


def _check_problems(error: ConfigError, data: bytes) -> None:
    assert error.problems
    for problem in error.problems:
        for text in (problem.setting, problem.message, problem.fix):
            assert text
            _check_text(text, data)


def _check_text(text: str, data: bytes) -> None:
    assert text.isprintable(), ascii(text)
    assert CANARY not in text or not _is_secret(data), ascii(text)


def _is_secret(data: bytes) -> bool:
    """Whether the canary is in nothing but secrets. In a text that cannot be read, everything may be one."""
    try:
        document = _yaml.parse(data.decode()).value
    except ValueError:
        return True
    return all(is_secret for is_secret, text in _texts(document) if CANARY in text)


def _texts(value: Any, path: tuple[object, ...] = ()) -> Iterator[tuple[bool, str]]:
    """Yield every text in *value*, and whether it stands where a secret does."""
    if isinstance(value, str):
        is_secret = path in _SECRETS or path in _GROUPS
        yield is_secret or (path in _ADDRESSES and _PASSWORD.fullmatch(value) is not None), value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield False, str(name)
            yield from _texts(inner, (*path, name))
    elif isinstance(value, (list, set, tuple)):
        for inner in value:
            yield from _texts(inner, (*path, "*"))
    else:
        yield False, str(value)


def _check_prepared(prepared: Prepared, data: bytes) -> None:
    snapshot = prepared.snapshot
    assert snapshot.issuers
    for text in (*prepared.announcements, *prepared.warnings):
        _check_text(text.replace("\n", " "), data)
    for request in (request_with(), request_with(url_path="/a/b"), bearer("a.b.c"), bearer("eyJhbGciOiJub25lIn0.e30.")):
        decision = decide_now(request, snapshot, NOW)
        if isinstance(decision, Allow):
            (policy,) = (policy for policy in snapshot.policies.policies if policy.name == decision.policy)
            assert policy.access is not Access.REQUIRE
            assert decision.identity is None
