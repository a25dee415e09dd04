"""docs/policies.md: every example is a valid configuration, and what the page says about matching is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from multidict import CIMultiDict

from authgate.config.load import load
from authgate.core.errors import Refused
from authgate.core.paths import PathReading, parse_pattern
from authgate.core.request import make_request
from authgate.core.rules import DIMENSIONS
from authgate.wiring import prepare
from tests.support.tokens import OTHER_SECRET, SECRET

if TYPE_CHECKING:
    from authgate.core.policies import Policies

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ISSUERS = [
    {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "issuer": "https://app", "audiences": ["api"]},
    {"name": "partner", "preset": "jwt", "secret": OTHER_SECRET.decode(), "issuer": "https://p", "audiences": ["api"]}
    | {"subject_prefix": "partner:"},
]


def policies_of(example: str, folder: Path) -> Policies:
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": ISSUERS} | yaml.safe_load(example)))
    return prepare(load(str(path), {})).snapshot.policies


def found(policies: Policies, method: str, target: str) -> str:
    request = make_request(
        method=method, scheme="https", authority="app.example.com", target=target, headers=CIMultiDict(), adapter="test"
    )
    try:
        return policies.find(request)[0].name
    except Refused as refused:
        return refused.reason.value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.partition("\n")[0])
def test_an_example_is_a_valid_configuration(example: str, tmp_path: Path) -> None:
    assert policies_of(example, tmp_path).policies


def test_the_first_example_decides_as_the_page_says(tmp_path: Path) -> None:
    policies = policies_of(EXAMPLES[0], tmp_path)
    expected = {
        "/healthz": "health",
        "/healthz/": "rest",
        "/Healthz": "rest",
        "/admin": "admin",
        "/Admin/users/": "admin",
        "/files/ada/a.txt": "own-files",
        "/files": "rest",
        "/": "rest",
        "/admin/../healthz": "ambiguous_path",
    }
    assert {target: found(policies, "GET", target) for target in expected} == expected


def test_an_exception_opens_one_spelling_and_no_other(tmp_path: Path) -> None:
    (exception,) = [example for example in EXAMPLES if "name: docs" in example]
    policies = policies_of(exception, tmp_path)
    asked = [("GET", "/api/docs"), ("HEAD", "/api/docs"), ("POST", "/api/docs"), ("GET", "/api/Docs"), ("GET", "/x")]
    assert [found(policies, *request) for request in asked] == ["docs", "docs", "api", "api", "no_policy"]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/reports/**", ["/reports", "/reports/", "/reports/2026/may"], ["/", "/reportsx"]),
        ("/reports/*", ["/reports/2026"], ["/reports", "/reports/2026/may"]),
    ],
)
def test_a_pattern_matches_what_the_page_says(pattern: str, matching: list[str], others: list[str]) -> None:
    parsed = parse_pattern(pattern)
    assert pattern in PAGE
    for path in (*matching, *others):
        (reading,) = PathReading().read(path)
        assert parsed.matches(reading, exactly=False) is (path in matching), path


def test_the_page_names_every_rule() -> None:
    rules = PAGE.partition("## Rules")[2]
    assert [name for name in DIMENSIONS if f"`{name}`" not in rules] == []
