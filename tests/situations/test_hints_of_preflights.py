"""Preflights: `authgate explain` names the origin that is not allowed, and asks nobody to sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer, explained
from tests.situations.hinted import TOKEN, WITH_SECRET, Situation, check

if TYPE_CHECKING:
    from pathlib import Path

CORS = """
login_url: https://app.example.com/sign-in
cors: {allowed_origins: ["https://app.example.com"]}
policies:
  - {name: write, match: {methods: [PUT]}, require: signed_in}
  - {name: rest, require: signed_in, cors: {allowed_origins: []}}
"""


def preflight(origin: str, method: str = "PUT", **more: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method, **more}


SITUATIONS = {
    "an origin that is not allowed": Situation(
        issuers=WITH_SECRET, more=CORS, method="OPTIONS", headers=preflight("https://evil.example"),
        answer="401 no_credential",
        has=("a page of https://evil.example may send PUT", "not in `cors.allowed_origins` of policy write. If"),
    ),
    "the method that a preflight asks for chooses the policy": Situation(
        issuers=WITH_SECRET, more=CORS, method="OPTIONS", headers=preflight("https://app.example.com", "DELETE"),
        answer="401 no_credential", has=("may send DELETE", "of policy rest. If"),
    ),
    "an allowed origin with another port": Situation(
        issuers=WITH_SECRET, more=CORS, method="OPTIONS", headers=preflight("https://app.example.com:8443"),
        answer="401 no_credential", has=("https://app.example.com is: they differ in the port.",),
    ),
    "an allowed origin with another scheme": Situation(
        issuers=WITH_SECRET, more=CORS, method="OPTIONS", headers=preflight("http://app.example.com"),
        answer="401 no_credential", has=("https://app.example.com is: they differ in the scheme.",),
    ),
    "an allowed origin": Situation(
        issuers=WITH_SECRET, more=CORS, method="OPTIONS", headers=preflight("https://app.example.com"), answer="200",
    ),
    "OPTIONS without a preflight": Situation(
        issuers=WITH_SECRET, more=CORS, method="OPTIONS", headers={"Origin": "https://evil.example"},
        answer="401 no_credential",
    ),
    "a preflight that was sent as PUT": Situation(
        issuers=WITH_SECRET, more=CORS, method="PUT", headers=preflight("https://evil.example"),
        answer="401 no_credential",
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_names_the_origin_of_a_preflight_that_is_refused(tmp_path: Path, situation: Situation) -> None:
    check(tmp_path, situation)


def test_explain_asks_nobody_to_sign_in_for_a_preflight(tmp_path: Path) -> None:
    config = f"issuers: [{WITH_SECRET}]\n{CORS}\n"
    result = explained(tmp_path, config, preflight("https://evil.example", **bearer(TOKEN)), method="OPTIONS")
    assert (result.answer, len(result.hints)) == ("401 no_credential", 1)
    assert "Sign in" not in result.text
    assert "its headers do not say" not in result.text
