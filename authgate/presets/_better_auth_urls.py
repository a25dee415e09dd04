"""The URLs that follow from the base URL of a Better Auth."""

from __future__ import annotations

from urllib.parse import urlsplit

_BASE_PATH = "/api/auth"


def origins(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Return the origins of *urls*, each once."""
    return tuple(dict.fromkeys(map(_origin, urls)))


def base(url: str) -> str:
    """Return the base of Better Auth's endpoints: *url* with its own path, else with /api/auth (BA/utils/url.mjs)."""
    return _origin(url) + path(url)


def path(url: str) -> str:
    """Return the path of the endpoints of Better Auth at *url*."""
    return urlsplit(url).path.rstrip("/") or _BASE_PATH


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = None if (parts.scheme, parts.port) in {("https", 443), ("http", 80)} else parts.port
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"
