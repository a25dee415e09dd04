"""In a file with several issuers, each but the first states a prefix for its user ids. None begins with another."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.config.load import load
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

UNSTATED = object()


def issuers(*prefixes: object) -> list[dict[str, Any]]:
    """Return one issuer for each prefix, called one, two, three and so on."""
    return [
        {"name": name, "preset": "jwt", "issuer": f"https://{name}", "audiences": ["api"], "secret": SECRET.decode()}
        | ({} if prefix is UNSTATED else {"subject_prefix": prefix})
        for name, prefix in zip(("one", "two", "three"), prefixes, strict=False)
    ]


def problems_of(*prefixes: object) -> dict[str, str]:
    """Return what is wrong with a list of issuers with these prefixes, by the setting."""
    loaded = load(None, {"AUTHGATE_ISSUERS": json.dumps(issuers(*prefixes))})
    return {problem.setting: f"{problem.message}: {problem.fix}" for problem in loaded.problems}


@pytest.mark.parametrize(
    "prefixes",
    [
        pytest.param([UNSTATED], id="one issuer"),
        pytest.param([UNSTATED, "two:"], id="the first has none"),
        pytest.param(["one:", "two:"], id="each has one"),
        pytest.param(["one:", ""], id="the second has none"),
        pytest.param([UNSTATED, "", ""], id="the same people, as stated"),
        pytest.param(["", "", "three:"], id="two have the same people"),
        pytest.param([UNSTATED, "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"], id="every sign that a header value keeps"),
        pytest.param([UNSTATED, "x" * 64], id="the longest"),
    ],
)
def test_prefixes_that_keep_people_apart_are_accepted(prefixes: list[object]) -> None:
    assert problems_of(*prefixes) == {}


@pytest.mark.parametrize(
    ("prefixes", "setting", "words"),
    [
        ([UNSTATED, UNSTATED], "issuers[1].subject_prefix", 'is missing: .*write subject_prefix: "two:"'),
        (["one:", UNSTATED], "issuers[1].subject_prefix", "is missing"),
        ([UNSTATED, None], "issuers[1].subject_prefix", "is missing"),
        ([UNSTATED, "two:", UNSTATED], "issuers[2].subject_prefix", 'is missing: .*subject_prefix: "three:"'),
        ([UNSTATED, "a:", "a:b"], "issuers[2].subject_prefix", '"a:b" begins with "a:", the prefix of issuer two'),
        (["a:b", "a:"], "issuers[0].subject_prefix", '"a:b" begins with "a:", the prefix of issuer two'),
        ([UNSTATED, "a:", "a:"], "issuers[2].subject_prefix", '"a:" is the prefix of issuer two'),
        ([UNSTATED, "a:", "A:"], "issuers[2].subject_prefix", '"A:" is the prefix of issuer two .*upper and lower'),
        ([UNSTATED, "A:b", "a:"], "issuers[1].subject_prefix", '"A:b" begins with "a:", .*upper and lower case'),
        ([UNSTATED, "a b"], "issuers[1].subject_prefix", "'a b' cannot be a prefix"),
        ([UNSTATED, "a%"], "issuers[1].subject_prefix", "cannot be a prefix"),
        ([UNSTATED, "é:"], "issuers[1].subject_prefix", "cannot be a prefix"),
        ([UNSTATED, "a\n"], "issuers[1].subject_prefix", "cannot be a prefix"),
        ([UNSTATED, "x" * 65], "issuers[1].subject_prefix", "cannot be a prefix"),
        ([UNSTATED, 5], "issuers[1].subject_prefix", "text"),
        (["a b", "two:"], "issuers[0].subject_prefix", "cannot be a prefix"),
    ],
)
def test_prefixes_that_do_not_are_refused_with_what_to_write(prefixes: list[object], setting: str, words: str) -> None:
    found = problems_of(*prefixes)
    assert [*found] == [setting]
    assert re.search(words, found[setting]), found[setting]


def test_a_missing_prefix_is_reported_together_with_every_other_mistake(tmp_path: Path) -> None:
    wrong = [*issuers(UNSTATED), {"name": "Two", "preset": "jwt", "secret": SECRET.decode()}]
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": wrong, "listen": "nowhere"}))
    found = {problem.setting: problem.fix for problem in load(str(path), {}).problems}
    assert {"listen", "issuers[1].name", "issuers[1].audiences", "issuers[1].subject_prefix"} <= found.keys()
    assert '"partner:"' in found["issuers[1].subject_prefix"], "its own name is not valid"


def test_the_issuers_of_the_environment_are_one_authority_and_need_no_prefix() -> None:
    loaded = load(None, {"BETTER_AUTH_SECRET": SECRET.decode(), "NEXTAUTH_SECRET": SECRET.decode()})
    assert len(loaded.issuers) > 1
    assert loaded.problems == ()
