"""Hints about times: how long the token lived, and whose clock is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def age_and_life(case: Case) -> str:
    """Say how long ago the token expired, and how long it was valid."""
    identity = case.identity
    if identity is None or identity.expires_at is None:
        return ""
    ago, issued_at = lasting(case.now - identity.expires_at), identity.issued_at
    if issued_at is None:
        return f"The token expired {ago} ago. It has no iat, so it does not say how long it was valid."
    if identity.expires_at <= issued_at:
        return (
            "The exp of the token is not after its iat, so it was never valid. Look at the setting of the issuer that "
            "makes exp: some take the time of the end there, not a length."
        )
    life = lasting(identity.expires_at - issued_at)
    return (
        f"The token expired {ago} ago, after a life of {life} (iat to exp). The client has to get a new one before the "
        "old one ends."
    )


def clock(case: Case) -> str:
    """Say which clock is wrong, or that the token is meant to begin later."""
    identity = case.identity
    if identity is None:
        return ""
    issued_at, begins_at, leeway = identity.issued_at, identity.not_before, case.snapshot.leeway_seconds
    if issued_at is not None and issued_at > case.now + leeway:
        return (
            f"The token was issued {lasting(issued_at - case.now)} in the future (iat). So the clock of its issuer is "
            f"ahead of this machine's by at least that: compare both with a third. `leeway_seconds` is {leeway:g}."
        )
    if begins_at is not None and issued_at is not None and begins_at > issued_at:
        return (
            f"The token begins {lasting(begins_at - issued_at)} after it was issued (nbf and iat): its issuer wants "
            "that. No clock has to be wrong."
        )
    return ""


def lasting(seconds: float) -> str:
    """Return a length of time in the largest unit of which there are at least two: "90 seconds", "12 minutes"."""
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{seconds:.0f} second{'s' * (round(seconds) != 1)}"
