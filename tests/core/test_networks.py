"""Which networks are the same, and whether they are every address."""

from __future__ import annotations

import pytest

from authgate.core.networks import every_address, networks_in


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("", "None"),
        ("0.0.0.0/1 10.0.0.1/8 ::/1", "None"),
        ("0.0.0.0/1 128.0.0.0/2 x", "None"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("192.0.2.1/1 64.0.0.0/1 10.0.0.0/8", "0.0.0.0/0"),
        ("8000::/1 10.0.0.1 ::/1", "::/0"),
        ("::ffff:0:0/97 128.0.0.0/1", "0.0.0.0/0"),
    ],
)
def test_networks_that_together_are_every_address_are_found(texts: str, expected: str) -> None:
    assert str(every_address(networks_in(texts.split()))) == expected
