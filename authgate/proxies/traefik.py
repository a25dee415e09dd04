"""traefik."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.proxies.settings import ProxySettings


def files(settings: ProxySettings) -> dict[str, str]:
    """Return the content of each file by its name."""
    raise NotImplementedError
