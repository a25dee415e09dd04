"""Keys and key sets."""

from __future__ import annotations

import pytest

from authgate.core.keys import Key, KeySet


@pytest.mark.parametrize(("algorithm", "symmetric"), [("HS256", True), ("RS256", False), ("Ed25519", False)])
def test_a_key_is_symmetric_if_whoever_verifies_with_it_could_also_sign(algorithm: str, *, symmetric: bool) -> None:
    assert Key(key_id=None, algorithm=algorithm, material=None, thumbprint=b"").is_symmetric is symmetric


def test_the_fingerprint_of_a_key_set_depends_on_every_key_and_not_on_their_order() -> None:
    first, second = (Key(key_id=None, algorithm="HS256", material=None, thumbprint=bytes([n]) * 32) for n in (1, 2))
    sets = [(first,), (second,), (first, second), (second, first), ()]
    assert len({KeySet(keys=keys).fingerprint for keys in sets}) == len(sets) - 1
    assert KeySet(keys=(first, second)).fingerprint == KeySet(keys=(second, first)).fingerprint
