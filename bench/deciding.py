"""AuthGate's decisions in this process: its configuration, and the requests to decide on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict, CIMultiDictProxy

from authgate.config.load import load
from authgate.core.decision import Allow
from authgate.core.request import make_request

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.config.load import LoadedConfig
    from authgate.core.request import Headers, Request


def configured(issuer: dict[str, Any], folder: Path) -> LoadedConfig:
    """Return the configuration with *issuer* alone, else as shipped."""
    path = folder / "authgate.json"
    path.write_text(json.dumps({"issuers": [issuer]}))  # JSON is YAML
    return load(str(path), {})


def received(headers: dict[str, str]) -> CIMultiDictProxy[str]:
    """Return *headers* as a server has them."""
    return CIMultiDictProxy(CIMultiDict(headers))


def asked(headers: Headers) -> Request:
    """Return a request with *headers*, as the adapter of a proxy makes it."""
    return make_request(
        method="GET",
        scheme="https",
        authority="app.example.com",
        target="/api/v1/tasks?page=2",
        headers=headers,
        adapter="nginx",
    )


def must_be_allowed(decision: object) -> None:
    """Exit unless *decision* is to allow: refusals would be measured else."""
    if not isinstance(decision, Allow):
        sys.exit(f"bench: AuthGate does not allow it: {decision}")
