"""Public keys on Edwards curves: sound ones pass; points of small order and second encodings do not."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from authgate.tokens import _edwards

P25519 = 2**255 - 19
P448 = 2**448 - 2**224 - 1

# One of the four points of order 8 on Ed25519, in its encoding. The others have ±x and ±y.
ORDER_8 = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")

# The y of every point whose order divides 8: the neutral point, then the points of order 2, 4 and 8.
SMALL_25519 = (1, P25519 - 1, 0, ORDER_8, P25519 - ORDER_8)
# The same for 4. Ed448 has no other points of small order.
SMALL_448 = (1, P448 - 1, 0)


class Point(NamedTuple):
    """A point, and its addition from RFC 8032. It is independent of the code under test: both coordinates, and slow."""

    x: int
    y: int

    def plus(self, other: Point) -> Point:
        d = -121665 * pow(121666, -1, P25519)
        product = d * self.x * other.x * self.y * other.y
        x = (self.x * other.y + other.x * self.y) * pow(1 + product, -1, P25519)
        y = (self.y * other.y + self.x * other.x) * pow(1 - product, -1, P25519)
        return Point(x % P25519, y % P25519)

    def encoded(self) -> bytes:
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")


def point_of(y: int) -> Point:
    """Return a point of Ed25519 with this y (RFC 8032 §5.1.3)."""
    d = -121665 * pow(121666, -1, P25519)
    squared = (y * y - 1) * pow(d * y * y + 1, -1, P25519) % P25519
    x = pow(squared, (P25519 + 3) // 8, P25519)
    if x * x % P25519 != squared:
        x = x * pow(2, (P25519 - 1) // 4, P25519) % P25519
    assert x * x % P25519 == squared
    return Point(x, y)


def test_the_eight_points_of_small_order_on_ed25519_have_these_five_y() -> None:
    generator = point_of(ORDER_8)
    multiples = [generator]
    while len(multiples) < 8:
        multiples.append(multiples[-1].plus(generator))
    assert multiples[-1] == Point(0, 1)
    assert len(set(multiples)) == 8
    assert {point.y for point in multiples} == set(SMALL_25519)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", SMALL_25519, ids=["1", "-1", "0", "order 8", "-order 8"])
def test_a_point_of_small_order_on_ed25519_is_unfit(y: int, sign: int) -> None:
    fault = _edwards.fault("Ed25519", (y | sign << 255).to_bytes(32, "little"))
    assert fault == "it is a point of small order on Ed25519: anybody can forge signatures under it"


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", SMALL_448, ids=["1", "-1", "0"])
def test_a_point_of_small_order_on_ed448_is_unfit(y: int, sign: int) -> None:
    fault = _edwards.fault("Ed448", (y | sign << 455).to_bytes(57, "little"))
    assert fault == "it is a point of small order on Ed448: anybody can forge signatures under it"


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", range(P25519, 2**255), ids=lambda y: f"p + {y - P25519}")
def test_an_unreduced_y_on_ed25519_is_unfit(y: int, sign: int) -> None:
    fault = _edwards.fault("Ed25519", (y | sign << 255).to_bytes(32, "little"))
    assert fault == "it is not the canonical encoding of a point on Ed25519 (RFC 8032 §5)"


@pytest.mark.parametrize("y", [P448, P448 + 1, 2**448 - 1, 2**448, 2**448 + 1, 2**454 + 4, 2**455 - 1], ids=range(7))
def test_an_unreduced_y_on_ed448_is_unfit(y: int) -> None:
    fault = _edwards.fault("Ed448", y.to_bytes(57, "little"))
    assert fault == "it is not the canonical encoding of a point on Ed448 (RFC 8032 §5)"


def test_about_half_of_all_y_are_not_on_the_curve() -> None:
    for curve, octets in (("Ed25519", 32), ("Ed448", 57)):
        faults = [_edwards.fault(curve, y.to_bytes(octets, "little")) for y in range(2, 202)]
        assert set(faults) == {None, f"it is not a point on the curve {curve}"}
        assert 60 < faults.count(None) < 140


@pytest.mark.parametrize("length", [0, 1, 31, 33, 56, 57, 58, 64])
def test_a_key_of_another_length_is_unfit(length: int) -> None:
    assert _edwards.fault("Ed25519", b"\1" * length) == f"it is {length} octets long; an Ed25519 key has 32"


# RFC 8032 §7.1 and §7.4: public keys of the test vectors.
SOUND = {
    "Ed25519": [
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ],
    "Ed448": [
        "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180",
        "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480",
    ],
}


@pytest.mark.parametrize(("curve", "encoded"), [(curve, key) for curve in SOUND for key in SOUND[curve]])
def test_the_keys_of_rfc_8032_are_sound(curve: str, encoded: str) -> None:
    assert _edwards.fault(curve, bytes.fromhex(encoded)) is None


def test_generated_keys_are_sound() -> None:
    for _ in range(50):
        assert _edwards.fault("Ed25519", Ed25519PrivateKey.generate().public_key().public_bytes_raw()) is None
        assert _edwards.fault("Ed448", Ed448PrivateKey.generate().public_key().public_bytes_raw()) is None


def test_a_point_of_large_order_with_a_part_of_small_order_is_sound() -> None:
    # Only its owner can sign with it, so there is no need to reject it.
    sound = int.from_bytes(bytes.fromhex(SOUND["Ed25519"][1]), "little") & 2**255 - 1
    mixed = point_of(sound).plus(point_of(ORDER_8))
    assert _edwards.fault("Ed25519", mixed.encoded()) is None


def test_without_the_check_anybody_could_sign_under_a_key_of_small_order() -> None:
    """This is why the check exists: the signature needs no secret, and the library accepts the key."""
    neutral = (1).to_bytes(32, "little")
    forged = neutral + bytes(32)  # R = the neutral point and S = 0, so S·B = R + h·A for every message
    try:
        Ed25519PublicKey.from_public_bytes(neutral).verify(forged, b"any message")
    except InvalidSignature:
        pytest.skip("this OpenSSL itself refuses such keys")
    assert _edwards.fault("Ed25519", neutral) is not None
