"""The proxies' files, as `authgate proxy` generates them."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authgate.config.load import load
from authgate.proxies import PROXIES
from authgate.proxies.settings import default_settings, proxy_settings
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.proxies.settings import ProxySettings


def write(folder: Path, proxy: str, *, address: str, **changes: Any) -> None:
    """Write the files of *proxy* into *folder*: for the defaults, this *address*, and other *changes* of settings."""
    settings = replace(default_settings(address), **changes)
    make = next(iter(PROXIES[proxy].forms.values()))
    for name, text in make(settings).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def configured(**configuration: Any) -> ProxySettings:
    """Return the settings of a configuration with one issuer of JWTs and what *configuration* says."""
    issuer = {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "audiences": ["tasks"]}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"issuers": [issuer], **configuration}, file)
        file.flush()
        loaded = load(file.name, {})
    assert loaded.config is not None
    assert loaded.problems == ()
    return proxy_settings(loaded.config, loaded)
