"""The id by which a refusal is found in the log."""

from __future__ import annotations

import pytest

from authgate.core.request_id import request_id
from tests.support.deciding import request_with


@pytest.mark.parametrize(
    "value",
    [
        "0123456789abcdef0123456789abcdef",
        "8e2ff3c5-24c1-4f25-8ae5-8b4f0b8c0c9b",
        "01JDQ4M8Z7K3V9B2N6X5C1A0WE",
        "Root=1-67891233-abcdef012345678912345678",
        "host.example:4190/1",
        "a" * 128,
    ],
)
def test_the_ids_of_proxies_are_taken(value: str) -> None:
    assert request_id(request_with(("X-Request-Id", value)).headers) == value


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["a b"],
        ["a\r\nSet-Cookie: x=y"],
        ["a\n"],
        ["<b>"],
        ['"'],
        ["$host"],
        ["a&b"],
        ["a;b"],
        ["a,b"],
        ["\N{LATIN SMALL LETTER E WITH ACUTE}"],
        ["a" * 129],
        ["a", "a"],
    ],
    ids=ascii,
)
def test_an_id_with_characters_that_mean_something_elsewhere_is_not(values: list[str]) -> None:
    assert request_id(request_with(*(("X-Request-Id", value) for value in values)).headers) == ""
