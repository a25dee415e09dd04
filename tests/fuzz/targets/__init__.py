"""The fuzz targets. To add one: a file here with `check` and `WORDS`, its row, and seeds in tests/fuzz/seeds/<name>.

`check(data)` reads *data* as its file describes, and raises if an invariant does not hold. It leaves no file, socket or
thread behind. `WORDS` are texts that the fuzzer puts into its inputs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Target(NamedTuple):
    """*subject* is what the target attacks. *max_bytes* is the longest input that the fuzzer makes."""

    subject: str
    max_bytes: int


TARGETS: Mapping[str, Target] = {
    "configuration": Target("YAML and what it configures: config/, presets/, stores/, wiring.py", 2048),
    "cookies": Target("Cookie and Authorization: core/credential.py", 2048),
    "forwarded_for": Target("X-Forwarded-For: adapters/", 1024),
    "heads": Target("request heads: server/connection.py, server/lingering.py, server/http.py, aiohttp's parser", 2048),
    "jwe": Target("encrypted session cookies: tokens/_jwe.py, tokens/authjs/, tokens/better_auth/", 2048),
    "jwk": Target("keys in JWK Sets, PEM and files of secrets: tokens/jwk.py", 3072),
    "jws": Target("JWTs and signed session cookies: tokens/jws.py, tokens/jwt.py, tokens/better_auth/", 2048),
    "lane": Target("request heads: server/lane.py, compared with aiohttp", 2048),
    "paths": Target("paths and patterns: core/paths.py, core/policy.py", 256),
    "rules": Target("rules and the claims that they compare: core/rules.py", 1024),
}


class Loaded(NamedTuple):
    """What the file of a target has."""

    check: Callable[[bytes], None]
    words: tuple[bytes, ...]


def load(name: str) -> Loaded:
    """Return the target called *name*: one of TARGETS, or a module by its dotted name."""
    module = import_module(f"{__name__}.{name}" if name in TARGETS else name)
    return Loaded(module.check, module.WORDS)
