"""The configuration that the heads of `expensive_heads.py` attack: many issuers, many keys, many policies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = 8
POLICIES = 200


def configuration(folder: Path, secret: str, rsa_bits: int = 4096) -> dict[str, Any]:
    """Return a configuration with ten issuers and 200 policies, whose secret is *secret*.

    Three of the issuers have eight public keys each, without ids. Their key sets are in *folder*. All sessions have
    eight secrets.
    """
    pairs: dict[str, Callable[[], Any]] = {
        "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
        "Ed448": ed448.Ed448PrivateKey.generate,
        "PS512": lambda: rsa.generate_private_key(65537, rsa_bits),
    }
    names = {"ES512": "ec", "Ed448": "ed", "PS512": "ps"}
    for algorithm, make in pairs.items():
        name = "EdDSA" if algorithm == "Ed448" else algorithm
        members = [jwt.get_algorithm_by_name(name).to_jwk(make().public_key(), as_dict=True) for _ in range(KEYS)]
        keys = [
            {"alg": algorithm} | {name: value for name, value in one.items() if name != "key_ops"} for one in members
        ]
        (folder / names[algorithm]).write_text(json.dumps({"keys": keys}))
    public = [
        {
            "name": name,
            "preset": "jwt",
            "issuer": f"https://{name}",
            "jwks_file": str(folder / name),
            "audiences": "any",
        }
        for name in names.values()
    ]
    sessions = [
        {"name": "better", "preset": "better-auth"},
        *(
            {"name": f"better-{n}", "preset": "better-auth", "cookies": {"session_token": f"b{n}.session_token"}}
            for n in "12"
        ),
        {"name": "auth", "preset": "authjs", "url": "https://app.example.com"},
        *({"name": f"auth-{n}", "preset": "authjs", "cookies": {"session_token": f"a{n}.session-token"}} for n in "12"),
    ]
    secrets = [secret, *(f"{secret}-{number}" for number in range(KEYS - 1))]
    first = {"name": "secret", "preset": "jwt", "issuer": "https://secret", "audiences": "any", "secret": secret}
    issuers = [first, *public, *(one | {"secrets": secrets} for one in sessions)]
    for number, issuer in enumerate(issuers[1:]):
        issuer["subject_prefix"] = f"{number}:"
    others = [
        {"name": f"p{n}", "match": {"host": f"*.{n}.example", "path": f"/*/{n}/**"}, "require": "signed_in"}
        for n in range(POLICIES - 1)
    ]
    return {
        "trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"],
        "issuers": issuers,
        "credentials": [{"header": "Authorization"}, {"cookie": "access_token"}],
        "policies": [*others, {"name": "all", "match": {"path": "/**"}, "require": "signed_in"}],
        "paths": {"encoded_slash": "data", "semicolon": "data"},
        "login_url": "https://id.example.net/sign-in",
    }
