"""The one table of refused spellings of paths."""

from __future__ import annotations

import pytest

from authgate.core.errors import Refused
from authgate.core.paths import PathReading
from authgate.core.reasons import Reason
from authgate.core.spellings import SPELLINGS, Spelling, spelling_in

SETTINGS = {"encoded_slash", "semicolon"}
EXAMPLES = [(spelling, path) for spelling in SPELLINGS for path in spelling.examples]


@pytest.mark.parametrize(("spelling", "path"), EXAMPLES, ids=[f"{row.name}: {path!a}" for row, path in EXAMPLES])
def test_every_example_is_refused_and_its_spelling_is_the_first_that_is_found(spelling: Spelling, path: str) -> None:
    others_are_data = frozenset(SETTINGS - {spelling.setting})
    assert spelling_in(path, data=others_are_data) is spelling
    with pytest.raises(Refused) as refused:
        PathReading().read(path)
    assert refused.value.reason is Reason.AMBIGUOUS_PATH


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda row: row.name)
def test_only_slashes_and_semicolons_can_be_data(spelling: Spelling) -> None:
    reading = PathReading(encoded_slash_is_data=True, semicolon_is_data=True)
    is_refused = []
    for path in spelling.examples:
        try:
            reading.read(path)
        except Refused:
            is_refused.append(path)
    assert is_refused == [path for path in spelling.examples if spelling.setting is None or path == "/%2fhealthz"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/a", "/a/", "/a/b.c", "/.well-known/x", "/..a/b..", "/a...b", "/a,b", "/a=b&c", "/a:b@c", "/a!$'()*+"),
        *("/%20", "/a%23b", "/100%25", "/100%25/", "/%25zz", "/%25", "/%c3%a9", "/%E2%82%AC", "/%f0%9f%98%80"),
        *("/%7e", "/%41", "/{a}|^`b", "/%c2%a0", "/%ef%bf%bd", "/%f4%8f%bf%bf", "/%25g1"),
    ],
)
def test_a_path_that_all_servers_read_alike_has_none(path: str) -> None:
    assert spelling_in(path) is None


def test_only_the_end_of_the_path_is_its_end() -> None:
    """In Python, "$" would also match before a line feed."""
    (bad_escape,) = (row for row in SPELLINGS if row.name == "bad escape")
    assert not bad_escape.is_in("/%41")
    assert bad_escape.is_in("/%4\n")


def test_no_pattern_needs_more_than_every_proxy_can() -> None:
    """RE2 has no look-around, backreferences or possessive quantifiers. In Traefik, "`" ends a pattern."""
    for spelling in SPELLINGS:
        for pattern in (spelling.pattern, spelling.decoded):
            assert not [part for part in ("(?=", "(?!", "(?<", "(?P", "*+", "++", r"\1", "`") if part in pattern]
