"""The signature algorithms and their names."""

from __future__ import annotations

import pytest

from authgate.tokens import algorithms
from tests.support.ruling import count_calls
from tests.support.tokens import ASYMMETRIC, HMAC, SECRET, mint, private_key, unb64


def test_the_algorithms_are_those_of_rfc_7518_and_9864_and_never_none() -> None:
    assert set(algorithms.ALGORITHMS) == {*HMAC, *ASYMMETRIC}
    assert set(algorithms.NAMES) == {*HMAC, *ASYMMETRIC, "EdDSA"}


def test_every_algorithm_fits_exactly_one_type_of_key() -> None:
    fitting = [name for names in algorithms.FITTING.values() for name in names]
    assert sorted(fitting) == sorted(algorithms.ALGORITHMS)


@pytest.mark.parametrize(
    ("names", "full"),
    [
        ((), set()),
        (("RS256",), {"RS256"}),
        (("EdDSA",), {"Ed25519", "Ed448"}),
        (("EdDSA", "Ed25519", "ES256"), {"Ed25519", "Ed448", "ES256"}),
        (("none",), {"none"}),
    ],
)
def test_eddsa_stands_for_both_curves(names: tuple[str, ...], full: set[str]) -> None:
    assert algorithms.fully_specified(names) == full


def test_an_hmac_key_must_be_at_least_as_long_as_its_hash() -> None:
    assert algorithms.HMAC_MIN_BYTES == {"HS256": 32, "HS384": 48, "HS512": 64}


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_bad_signature_of_any_length_does_not_verify_and_does_not_raise(algorithm: str) -> None:
    public = private_key(algorithm).public_key()
    lengths = (0, 1, 63, 64, 96, 114, 132, 256, 1000)
    assert [algorithms.verifier(algorithm, public)(b"x", b"\0" * n) for n in lengths] == [False] * len(lengths)


@pytest.mark.parametrize("algorithm", [*HMAC, *ASYMMETRIC])
def test_a_key_verifies_many_signatures_each_alone_in_one_call(algorithm: str) -> None:
    verify = algorithms.verifier(algorithm, SECRET if algorithm in HMAC else private_key(algorithm).public_key())
    parts = [mint({"sub": f"user-{number}"}, algorithm=algorithm).rpartition(".") for number in range(3)]
    signed = [(signing_input.encode(), unb64(signature)) for signing_input, _, signature in parts]
    assert [verify(text, signature) for text, signature in signed * 2] == [True] * 6
    assert not any(verify(signed[0][0], signature) for _, signature in signed[1:])
    assert [verify(text, signature) for text, signature in signed] == [True] * 3
    files = count_calls(lambda: verify(*signed[0]))
    assert files[algorithms.__file__] == 1
    assert not any("/jwt/" in file or file.endswith("hmac.py") for file in files), files
