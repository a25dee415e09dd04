"""Check public keys on the Edwards curves of RFC 8032: canonical encoding, on the curve, not of small order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """The curve a·x² + y² = 1 + d·x²·y² modulo the prime *p*, with the cofactor 2^*cofactor_bits* (RFC 8032 §5)."""

    octets: int
    p: int
    a: int
    d: int
    cofactor_bits: int


_P25519 = 2**255 - 19
_P448 = 2**448 - 2**224 - 1
_CURVES = {
    # RFC 8032 §5.1
    "Ed25519": _Curve(octets=32, p=_P25519, a=-1, d=-121665 * pow(121666, -1, _P25519), cofactor_bits=3),
    # RFC 8032 §5.2
    "Ed448": _Curve(octets=57, p=_P448, a=1, d=-39081, cofactor_bits=2),
}


def fault(curve_name: str, encoded: bytes) -> str | None:
    """Return why *encoded* is unfit as a public key of *curve_name* ("Ed25519" or "Ed448"), None if it is fit."""
    curve = _CURVES[curve_name]
    if len(encoded) != curve.octets:
        return f"it is {len(encoded)} octets long; an {curve_name} key has {curve.octets}"
    # The last bit is the sign of x; the rest is y, little-endian (RFC 8032 §5.1.2, §5.2.2).
    y = int.from_bytes(encoded, "little") & ~(1 << 8 * curve.octets - 1)
    if y >= curve.p:
        return f"it is not the canonical encoding of a point on {curve_name} (RFC 8032 §5)"
    if pow(_x_squared(curve, y), (curve.p - 1) // 2, curve.p) > 1:  # Euler's criterion: no square root
        return f"it is not a point on the curve {curve_name}"
    # Anybody can forge signatures under such a key: one with S = 0 verifies for at least one message in eight, or for
    # all.
    if _is_of_small_order(curve, y):
        return f"it is a point of small order on {curve_name}: anybody can forge signatures under it"
    return None


def _is_of_small_order(curve: _Curve, y: int) -> bool:
    """Whether the point at *y*, doubled *cofactor_bits* times, is the neutral element (0, 1).

    A doubled point has y = (y² - a·x²) / (1 - d·x²·y²). The curve equation gives x² for y, so the sign of x is not
    needed.
    """
    for _ in range(curve.cofactor_bits):
        x_squared, y_squared = _x_squared(curve, y), y * y
        y = (y_squared - curve.a * x_squared) * pow(1 - curve.d * x_squared * y_squared, -1, curve.p) % curve.p
    return y == 1


def _x_squared(curve: _Curve, y: int) -> int:
    # The denominator is never zero, because a/d is not a square on either curve.
    return (1 - y * y) * pow(curve.a - curve.d * y * y, -1, curve.p) % curve.p
