"""The largest configuration that AuthGate accepts: every list at its bound, and all values together at theirs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from authgate.config._types import FEW, MANY
from authgate.config._yaml import MAX_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN_HEADERS = 8  # of the policies; the others are at the top


def largest_configuration(share: float = 1) -> str:
    """Return the YAML of a configuration with this *share* of the largest number of each."""
    many, few = round(MANY * share), max(2, round(FEW * share))
    lists = {"policies": map(_policy, range(many)), "issuers": map(_issuer, range(many))}
    lines = [
        f"trusted_proxies: {_flow(['127.0.0.0/8', *(f'10.0.{n // 256}.{n % 256}/32' for n in range(many - 1))])}",
        f"credentials: {_flow([{'header': 'Authorization'}, *({'cookie': f'c{n}'} for n in range(few - 1))])}",
        f"headers: {_flow({'X-User-Id': 'subject'} | {f'X-H{n}': 'claims.h' for n in range(few - _OWN_HEADERS - 1)})}",
        *(line for name, items in lists.items() for line in _listed(name, items)),
    ]
    return "\n".join(lines) + "\n"


def user(number: int) -> tuple[dict[str, Any], str]:
    """Return the claims and the secret of a user of the issuer *number*."""
    claims = {"iss": _iss(number), "aud": f"{number}-0", "sub": "ada", "roles": ["r0"], "scope": "read"}
    return claims, _secret(number)


def _iss(number: int) -> str:
    return f"https://t{number}.example.com"


def _secret(number: int) -> str:
    return f"0123456789abcdefghijklmnopqrstuvwxyz-{number:04}"


def _issuer(number: int) -> dict[str, Any]:
    return {
        "name": f"t{number}",
        "preset": "jwt",
        "issuer": _iss(number),
        "audiences": [f"{number}-{n}" for n in range(46)],
        "secret": _secret(number),
        "subject_prefix": f"{number:04}:",
    }


def _policy(number: int) -> dict[str, Any]:
    """Return a policy for one part of the paths; every tenth is an exception within the part of another."""
    common = {"name": f"p{number}"}
    if number % 10 == 9:
        return common | {"match": {"path": [f"/a{number - 1}/open/**", f"/b{number - 1}/open"]}, "public": True}
    return common | {
        "match": {"path": [f"/a{number}/**", f"/b{number}/*"], "host": ["app.example.com"], "methods": ["GET", "PUT"]},
        "require": {"roles": {"any_of": [f"r{n}" for n in range(8)]}, "scopes": {"all_of": ["read"]}},
        "issuers": [f"t{number}"],
        "headers": {f"X-P{number % _OWN_HEADERS}": "claims.own"},
    }


def _listed(name: str, items: Iterable[object]) -> Iterable[str]:
    return f"{name}:", *(f"  - {_flow(item)}" for item in items)


def _flow(value: object) -> str:
    return json.dumps(value)  # JSON is YAML


if __name__ == "__main__":
    text = largest_configuration()
    print(f"# {len(text)} bytes, at most {MAX_VALUES} values\n{text}", end="")
