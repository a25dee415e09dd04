"""Issuers publish several keys under one `kid`, and write numbers with zeros before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.situations.explained import bearer, explained, publish
from tests.support.tokens import b64, claims, mint, public_jwk, unb64

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
issuers:
  - {name: idp, preset: jwt, issuer: "https://ids.example.com", audiences: [tasks], jwks_file: jwks.json}
"""
PINNED = CONFIG.replace("jwks.json", "jwks.json, algorithms: [RS256]")

RSA, EC = public_jwk("RS256", "RId+oQ=", use="sig"), public_jwk("ES256", "RId+oQ=", use="sig")
ONE_KEY_PER_ALG = [RSA | {"alg": alg, "x5t": "D"} for alg in ("RS256", "RS512", "RS384")]
WITH_ZERO = {name: RSA | {name: b64(b"\0" + unb64(RSA[name]))} for name in ("n", "e")}
EC_WITH_ZEROS = EC | {name: b64(b"\0" + unb64(EC[name])) for name in ("x", "y")}


@pytest.mark.parametrize(
    ("config", "keys", "algorithm", "answer"),
    [
        (CONFIG, ONE_KEY_PER_ALG, "RS256", "200"),
        (CONFIG, ONE_KEY_PER_ALG, "RS512", "200"),
        (CONFIG, ONE_KEY_PER_ALG, "PS256", "401 wrong_algorithm"),
        (PINNED, ONE_KEY_PER_ALG, "RS256", "200"),
        (PINNED, ONE_KEY_PER_ALG, "RS512", "401 wrong_algorithm"),
        (CONFIG, [RSA | {"use": "enc", "alg": "RSA-OAEP"}, RSA], "RS256", "200"),
        (CONFIG, [public_jwk("PS256", "RId+oQ=", use="enc"), RSA], "RS256", "200"),
        (CONFIG, [RSA, EC], "RS256", "200"),
        (CONFIG, [RSA, EC], "ES256", "200"),
        (CONFIG, [WITH_ZERO["n"]], "RS256", "200"),
        (CONFIG, [WITH_ZERO["e"]], "RS256", "200"),
        (CONFIG, [EC_WITH_ZEROS], "ES256", "200"),
    ],
)
def test_the_key_for_the_alg_of_the_token_verifies_it(
    tmp_path: Path, config: str, keys: list[dict[str, Any]], algorithm: str, answer: str
) -> None:
    publish(tmp_path, *keys)
    token = mint(claims(iss="https://ids.example.com", aud="tasks"), algorithm=algorithm, header={"kid": "RId+oQ="})
    assert explained(tmp_path, config, bearer(token)).answer == answer
