"""One key: bound to one algorithm by a stated rule, and sound; else `BadKey`."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate.core.errors import AuthGateError
from authgate.core.keys import Key
from authgate.tokens import _lint, secrets
from authgate.tokens.algorithms import ALL_ALGORITHMS, FITTING, HMAC_MIN_BYTES, fully_specified


class BadKey(AuthGateError):
    """Key material that must not be used. *faults* says, one sentence each, everything that is wrong with it."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class NotForUs(BadKey):
    """A key that says itself, by `kty`, `use`, `key_ops` or `alg`, that it is for something else."""


def one_algorithm(key_type: str, curve: str | None, stated: str | None, allowed: frozenset[str]) -> str:
    """Return the one algorithm of a key: the stated `alg`; else the one of *allowed* that fits; else the default.

    The default, the first of the type's row in FITTING, holds only for an issuer that lists no algorithms.
    """
    fitting = FITTING.get((key_type, curve), ())
    if not fitting:
        raise BadKey(f"keys of type {key_type} {curve or ''} are not supported".replace("  ", " "))
    wanted = fitting
    if stated is not None:
        wanted = tuple(name for name in fitting if name in fully_specified((stated,)))
        if not wanted:
            raise NotForUs(f"alg {stated!r:.40} does not fit a key of type {key_type}")
    usable = tuple(name for name in wanted if name in allowed)
    if not usable:
        message = f"the key is for {' or '.join(wanted)}, but `algorithms` lists only {', '.join(sorted(allowed))}"
        raise NotForUs(message) if stated is not None else BadKey(message)
    if len(usable) == 1 or allowed == ALL_ALGORITHMS:
        return usable[0]
    raise BadKey(f"`algorithms` lists {' and '.join(usable)} for one {key_type} key; a key has exactly one algorithm")


def hmac_key(secret: bytes, algorithm: str, *, key_id: str | None, is_text: bool) -> Key:
    """Return the key that the shared *secret* is; *is_text* says that somebody wrote or pasted it."""
    if faults := secrets.faults(secret, HMAC_MIN_BYTES[algorithm], is_text=is_text):
        raise BadKey(*faults)
    return Key(
        key_id=key_id,
        algorithm=algorithm,
        material=secret,
        # Not the secret's plain hash: a thumbprint may be shown.
        thumbprint=_thumbprint(algorithm, key_id, b"secret:" + secret),
        secret_fingerprint=secrets.fingerprint(secret),
    )


def public_key(public: Any, algorithm: str, *, key_id: str | None) -> Key:  # noqa: ANN401 - cryptography's keys
    """Return the key that *public*, one of cryptography's public keys, is for *algorithm*."""
    if fault := _lint.fault(public):
        raise BadKey(fault)
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    thumbprint = _thumbprint(algorithm, key_id, encoded)
    return Key(key_id=key_id, algorithm=algorithm, material=public, thumbprint=thumbprint)


def _thumbprint(algorithm: str, key_id: str | None, material: bytes) -> bytes:
    return hashlib.sha256(repr((algorithm, key_id)).encode() + material).digest()
