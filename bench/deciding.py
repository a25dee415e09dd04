"""Let AuthGate decide in this process: make its configuration, and the requests to decide on."""

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


def load_configuration(issuer: dict[str, Any], folder: Path) -> LoadedConfig:
    """Return the shipped configuration, with *issuer* as its only issuer."""
    path = folder / "authgate.json"
    path.write_text(json.dumps({"issuers": [issuer]}))  # JSON is YAML
    return load(str(path), {})


def as_received(headers: dict[str, str]) -> CIMultiDictProxy[str]:
    """Return *headers* in the type that a server gets."""
    return CIMultiDictProxy(CIMultiDict(headers))


def request_with(headers: Headers) -> Request:
    """Return a request with *headers*, as a proxy's adapter makes it."""
    return make_request(
        method="GET",
        scheme="https",
        authority="app.example.com",
        target="/api/v1/tasks?page=2",
        headers=headers,
        adapter="nginx",
    )


def must_be_allowed(decision: object) -> None:
    """Exit if *decision* is a refusal, so that no refusals are measured."""
    if not isinstance(decision, Allow):
        sys.exit(f"bench: AuthGate does not allow it: {decision}")
