"""Addresses and subnets, as settings."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

from authgate.config._report import scalar
from authgate.core.networks import unmapped


def network(value: object) -> Network:
    """Return *value* as a network; raise ValueError, with a hint, for anything else."""
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    fix = "write 10.0.0.1 or 10.0.0.0/8"
    if isinstance(value, str):  # ip_network(1) would be 0.0.0.1
        try:
            return unmapped(ip_network(value))
        except ValueError:
            fix = _subnet_of(value) or fix
    shown = scalar(value)
    raise ValueError(f"{shown + ' ' if shown else ''}is not an address or a subnet: {fix}")


def _subnet_of(text: str) -> str | None:
    """Return a hint for an address with a prefix length, such as 10.0.0.1/8; None for other text."""
    try:
        return f"write {ip_network(text, strict=False)} for the subnet or {text.partition('/')[0]} for the address"
    except ValueError:
        return None


Network: TypeAlias = Annotated[IPv4Network | IPv6Network, BeforeValidator(network)]
