"""The policies as a table for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authgate.cli._policy_table import policy_table
from authgate.config.rule_model import RuleConfig, make_rule
from authgate.core.outputs import Output
from authgate.core.paths import parse_pattern
from authgate.core.policy import Access, Match, Policy
from authgate.core.sign_in import SignIn

GLOBAL = ("X-User-Id",)
RULE = make_rule(RuleConfig.model_validate({"roles": {"any_of": ["admin"]}, "session": {"impersonated": False}}))


def sign_in(url: str) -> SignIn:
    host = url.split("/")[2]
    return SignIn(url=url, host=host, port=None, path="/in", parameter="return_to", return_hosts=frozenset())


def policy(name: str, *paths: str, rule: bool = False, public: bool = False, header: str | None = None) -> Policy:
    return Policy(
        name=name,
        match=Match(paths=tuple(parse_pattern(path) for path in paths)),
        access=Access.PUBLIC if public else Access.REQUIRE,
        rule=RULE if rule else None,
        outputs=(Output(header="X-User-Id", source="subject"), Output(header="X-Tenant", source=header)),
    )


def test_each_policy_is_a_row() -> None:
    policies = (policy("health", "/healthz", public=True), policy("admin", "/admin/**", rule=True), policy("rest"))
    assert policy_table(policies, global_headers=GLOBAL, columns=None) == [
        "no.  policy  match          who",
        "1    health  /healthz       public",
        "2    admin   /admin/**      roles any_of admin; not impersonated",
        "3    rest    every request  signed in",
    ]


def test_the_headers_of_a_policy_alone_have_a_column() -> None:
    first, _, row = policy_table((policy("a"), policy("b", header="subject")), global_headers=GLOBAL, columns=None)
    assert first.endswith("  headers")
    assert row.endswith("  X-Tenant")
    assert "X-User-Id" not in row


def test_the_sign_in_page_has_a_column_if_a_policy_has_another() -> None:
    urls = ("https://a.example.com/in", None, "https://b.example.com/in")
    policies = tuple(replace(policy(f"p{n}"), sign_in=url and sign_in(url)) for n, url in enumerate(urls))
    first, *rows = policy_table(policies, global_headers=GLOBAL, columns=None, global_login_url=urls[0])
    assert first.endswith("  sign-in page")
    ends = [row.partition("signed in")[2].strip() for row in rows[:3]]
    assert ends == ["", "none", "https://b.example.co"]  # a long cell goes on in the next line
    assert "sign-in" not in policy_table(policies[:1], global_headers=GLOBAL, columns=None, global_login_url=urls[0])[0]


@pytest.mark.parametrize("columns", [60, 78, 98, None])
def test_long_cells_are_wrapped_and_cut_so_that_the_table_fits(columns: int | None) -> None:
    long = policy("a" * 64, *(f"/path-{number}/**" for number in range(99)), "/" + "x" * 300, rule=True, header="email")
    lines = policy_table((long, policy("b")), global_headers=GLOBAL, columns=columns)
    assert max(map(len, lines)) <= (columns or 100)
    assert "…" in "".join(lines)
    assert lines[-1].startswith("2    b ")
    assert len(lines) <= 1 + 4 + 1
