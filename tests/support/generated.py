"""The proxies' files, as `authgate proxy` generates them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authgate.proxies import PROXIES
from authgate.proxies.settings import default_settings

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, proxy: str, *added_headers: str, address: str | None = None, **changes: Any) -> None:
    """Write the files of *proxy* into *folder*: for the defaults, *added_headers*, and other *changes* of settings."""
    settings = default_settings(address)
    settings = replace(settings, identity_headers=(*settings.identity_headers, *added_headers), **changes)
    make = next(iter(PROXIES[proxy].values()))
    for name, text in make(settings).items():
        (folder / name).write_text(text)
