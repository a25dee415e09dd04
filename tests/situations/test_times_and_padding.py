"""Issuers write times with a fraction or as text, and a load balancer pads its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.situations.explained import bearer, explained, publish
from tests.support.tokens import NOW, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
issuers:
  - {name: idp, preset: jwt, issuer: "https://ids.example.com", audiences: [tasks], jwks_file: jwks.json}
"""


def token(**changes: Any) -> str:
    return mint(claims(iss="https://ids.example.com", aud="tasks", **changes), algorithm="RS256")


@pytest.mark.parametrize(
    ("times", "answer", "detail"),
    [
        ({"exp": NOW + 100.336421, "iat": NOW - 1.5, "nbf": NOW - 1.5}, "200", ""),
        ({"exp": NOW - 100.5}, "401 expired", "expired 100 s ago"),
        ({"exp": str(int(NOW) + 100)}, "401 malformed_token", "claim 'exp' is text"),
        ({"nbf": [NOW]}, "401 malformed_token", "claim 'nbf' is a list"),
        ({"iat": "2027-01-15T08:00:00Z"}, "401 malformed_token", "claim 'iat' is text"),
    ],
    ids=["fractions", "an expired fraction", "text", "a list", "a date"],
)
def test_a_time_is_a_number_with_or_without_a_fraction(
    tmp_path: Path, times: dict[str, Any], answer: str, detail: str
) -> None:
    publish(tmp_path)
    decided = explained(tmp_path, CONFIG, bearer(token(**times)))
    assert decided.answer == answer
    assert detail in decided.detail


@pytest.mark.parametrize("header", ["x-amzn-oidc-data", "Authorization"])
def test_a_padded_token_is_malformed_and_the_padding_and_its_writer_are_named(tmp_path: Path, header: str) -> None:
    publish(tmp_path)
    config = f"{CONFIG}credentials: [{{header: {header}}}]\n"
    padded = ".".join(part + "=" * (-len(part) % 4 or 4) for part in token().split("."))
    decided = explained(tmp_path, config, {header: f"Bearer {padded}"})
    assert decided.answer == "401 malformed_token"
    assert "padding" in decided.detail
    assert "AWS ALB" in decided.detail
