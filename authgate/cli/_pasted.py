"""Reads what people paste into `authgate explain`: a token, headers, cookies, a curl command or a URL."""

from __future__ import annotations

import re
from typing import Any

from authgate.cli import _curl

# As long as the longest request head that AuthGate reads.
MAX_BYTES = 64 * 1024
# A terminal in its usual mode cuts each line at this length (N_TTY_BUF_SIZE of Linux, with the line break).
MAX_TERMINAL_LINE_BYTES = 4095

FORMS = """\
  eyJhbGciOi…                          a token, with or without "Bearer"
  Authorization: Bearer eyJhbGciOi…    one or more headers, one per line
  Cookie: name=value; name=value       cookies, with or without "Cookie:"
  curl -H '…' -b '…' 'https://…'       a curl command, as browsers copy it
  /api/v1/tasks                        a URL, or a method and a URL"""

_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/[0-9.]+")
_HEADER_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)")
_URL = re.compile(r"(?:([A-Z]+) )?((?:https?://|/)\S*)")
# A token has no "=" except at its end.
_COOKIES = re.compile(r"[!#-+\--:<>-~]+=[^=\s].*")


def read(pasted: bytes) -> dict[str, Any]:
    """Return the request that *pasted* stands for, in the form that `explain --request` reads.

    Raises ValueError if it has none of the `FORMS`. The message is for people and quotes nothing of *pasted*.
    """
    if len(pasted) > MAX_BYTES:
        raise ValueError(f"the input is longer than {MAX_BYTES // 1024} KiB")
    text = pasted.decode("utf-8", "surrogateescape").removeprefix("\ufeff").strip()
    if not text:
        raise ValueError("the input is empty")
    if _curl.is_curl(text):
        return _curl.read(text)
    if url := _URL.fullmatch(text):
        return _url(url[2]) | {"method": url[1] or "GET"}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if headers := _headers(lines):
        return headers
    if len(lines) == 1 and _COOKIES.fullmatch(text):
        return _request(("Cookie", text))
    if len(lines) == 1 and text[:7].lower() == "bearer ":
        return _request(("Authorization", text))
    if len(text.split()) == 1:
        return _request(("Authorization", f"Bearer {_unquoted(text)}"))
    raise ValueError("explain does not recognize the form of the input")


def _url(text: str) -> dict[str, Any]:
    """Return the request that a client sends for the URL *text*: a user in it becomes a header."""
    if text.startswith("/"):
        return _request(url=text.partition("#")[0])
    url, user = _curl.split_user(text)
    return _request(*([_curl.basic(user)] if user else []), url=url)


def _headers(lines: list[str]) -> dict[str, Any] | None:
    """Return the request in *lines*: headers, with or without a request line. None if there is any other line."""
    first = _REQUEST_LINE.fullmatch(lines[0])
    pairs = [_HEADER_LINE.fullmatch(line) for line in lines[1 if first else 0 :]]
    headers = [(pair[1], pair[2]) for pair in pairs if pair is not None]
    if len(headers) != len(pairs) or not (headers or first):
        return None
    return _request(*headers, method=first[1], url=first[2]) if first else _request(*headers)


def _request(*headers: tuple[str, str], method: str = "GET", url: str = "/") -> dict[str, Any]:
    return {"method": method, "url": url, "headers": list(headers)}


def _unquoted(token: str) -> str:
    """Return *token* without the quotes that it has in JSON or in a shell."""
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] and token[0] in "\"'" else token
