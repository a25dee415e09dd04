"""Make one key: check that it is sound and bind it to exactly one algorithm, or raise `BadKey`."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate.core.errors import AuthGateError
from authgate.core.keys import Key
from authgate.core.quoting import quoted
from authgate.tokens import _lint, secrets
from authgate.tokens.algorithms import ALL_ALGORITHMS, FITTING, HMAC_MIN_BYTES, fully_specified


class BadKey(AuthGateError):
    """Key material that must not be used. *faults* has one sentence for each thing that is wrong with it."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class KeyForOtherPurpose(BadKey):
    """A key whose own `kty`, `use`, `key_ops` or `alg` says that it is not for verifying these signatures."""


class KeyForEncryption(KeyForOtherPurpose):
    """A key whose `use` is enc. Many issuers publish one beside the keys that verify."""


def algorithm_for(key_type: str, curve: str | None, stated: str | None, allowed: frozenset[str]) -> str:
    """Return the one algorithm of a key: its *stated* `alg`, or the only *allowed* one that fits, or the default.

    The default is the first in the row of the key's type in FITTING. It applies only if the issuer lists no algorithms.
    """
    fitting = FITTING.get((key_type, curve), ())
    if not fitting:
        raise BadKey(f"keys of type {key_type} {curve or ''} are not supported".replace("  ", " "))
    candidates = fitting
    if stated is not None:
        candidates = tuple(name for name in fitting if name in fully_specified((stated,)))
        if not candidates:
            raise KeyForOtherPurpose(f"alg {quoted(stated, 40)} does not fit a key of type {key_type}")
    usable = tuple(name for name in candidates if name in allowed)
    if not usable:
        message = f"the key is for {' or '.join(candidates)}, but `algorithms` lists only {', '.join(sorted(allowed))}"
        raise KeyForOtherPurpose(message) if stated is not None else BadKey(message)
    if len(usable) == 1 or allowed == ALL_ALGORITHMS:
        return usable[0]
    raise BadKey(f"`algorithms` lists {' and '.join(usable)} for one {key_type} key; a key has exactly one algorithm")


def hmac_key(secret: bytes, algorithm: str, *, key_id: str | None, is_text: bool) -> Key:
    """Return the key made from the shared *secret*. *is_text*: a person wrote or pasted it."""
    if faults := secrets.faults(secret, HMAC_MIN_BYTES[algorithm], is_text=is_text):
        raise BadKey(*faults)
    return Key(
        key_id=key_id,
        algorithm=algorithm,
        material=secret,
        # Not a plain hash of the secret, because a thumbprint may be shown.
        thumbprint=_thumbprint(algorithm, key_id, b"secret:" + secret),
        secret_fingerprint=secrets.fingerprint(secret),
    )


def public_key(
    public: Any,  # noqa: ANN401 - cryptography's keys
    algorithm: str,
    *,
    key_id: str | None,
    issuer: str | None = None,
) -> Key:
    """Return *public*, one of cryptography's public keys, as a key for *algorithm*."""
    if fault := _lint.fault(public):
        raise BadKey(fault)
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    thumbprint = _thumbprint(algorithm, key_id, encoded, issuer)
    return Key(key_id=key_id, algorithm=algorithm, material=public, thumbprint=thumbprint, issuer=issuer)


def _thumbprint(algorithm: str, key_id: str | None, material: bytes, issuer: str | None = None) -> bytes:
    return hashlib.sha256(repr((algorithm, key_id, issuer)).encode() + material).digest()
