"""Read the request that `authgate explain` decides: pasted, in a file, or as a method and a URL."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.cli import _pasted
from authgate.cli._terminal import UsageError, print_line
from authgate.core import strict_json
from authgate.core.header_names import guarded_names
from authgate.core.request import make_request, split_absolute_url
from authgate.core.subrequest import Subrequest
from authgate.policies import reserved_names

if TYPE_CHECKING:
    from authgate.config.model import Config
    from authgate.core.request import IPAddress, Request

MAX_FILE_BYTES = 1024 * 1024
MAX_BRACKETS = 10_000
_ASCII = "".join(map(chr, range(0x80)))


def pasted_request() -> dict[str, Any]:
    """Return the request that standard input describes."""
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        print_line("Paste a token, headers, a curl command or a URL; then press Enter and Ctrl-D.", err=True)
    raw = sys.stdin.buffer.read(_pasted.MAX_BYTES + 1)
    if is_terminal and any(len(line) >= _pasted.MAX_TERMINAL_LINE_BYTES for line in raw.splitlines()):
        raise UsageError(
            f"the terminal cuts a line after {_pasted.MAX_TERMINAL_LINE_BYTES:,} characters. Pipe the input instead:\n"
            "  authgate explain < file\n  pbpaste | authgate explain"
        )
    try:
        return _pasted.read(raw)
    except ValueError as error:
        raise UsageError(
            f"{error}.\n\nPaste or pipe one of these:\n{_pasted.FORMS}\n"
            "Or describe the whole request in a file: authgate explain --request FILE"
        ) from None


def request_in_file(file_name: str) -> dict[str, Any]:
    """Return the request that the JSON file describes; "-" is standard input."""
    try:
        with click.open_file(file_name, "rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # the name is not quoted: it may be a token. ValueError: it holds a NUL
        cause = getattr(error, "strerror", None) or error
        raise click.UsageError(f"cannot read the file that --request names: {cause}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise click.UsageError(f"the file that --request names is longer than {MAX_FILE_BYTES // 1024:,} KiB")
    try:
        description = strict_json.parse(raw.decode("utf-8", "surrogateescape"), max_brackets=MAX_BRACKETS)
    except ValueError as error:
        raise click.UsageError(f"the file that --request names is not JSON: {error}") from None
    if not isinstance(description, dict) or not ({"method", "url"} <= description.keys() or "adapter" in description):
        raise click.UsageError('--request needs {"method", "url", "headers"} or {"adapter", "headers"}')
    return description


def asked_request(method: str, url: str) -> dict[str, Any]:
    """Return the request for *method* and *url*, two arguments. They are not quoted: one of them may be a token."""
    if not re.fullmatch("[A-Z][A-Z0-9_-]*", method):
        raise click.UsageError("METHOD is written in upper case: authgate explain --policy GET /admin")
    if not re.match("/|https?://", url, re.IGNORECASE):
        raise click.UsageError("URL begins with https://, http:// or /: authgate explain --policy GET /admin")
    return {"method": method, "url": url.partition("#")[0]}


def client_address(_ctx: click.Context, _param: click.Parameter, text: str | None) -> IPAddress | None:
    """Return *text* as an address. It is not quoted if it is something else, which may be a token."""
    if text is None:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise click.UsageError("--client is an address, such as 10.1.2.3") from None


def make(description: dict[str, Any], config: Config, client_ip: IPAddress | None = None) -> Request:
    """Return the request that *description* describes, from *client_ip* if it is not None. Raises `Unreadable`."""
    headers = headers_of(description)
    if "adapter" in description:
        request = _from_proxy(str(description["adapter"]), headers, config)
        return request if client_ip is None else replace(request, client_ip=client_ip)
    url = str(description["url"])
    if url.startswith("/"):
        url = f"http://{headers.get('Host', 'localhost')}{url}"
    scheme, authority, target = split_absolute_url(url)
    target = quote(target, safe=_ASCII, errors="surrogatepass")  # as browsers do: people write /café
    return make_request(
        method=str(description["method"]),
        scheme=scheme,
        authority=authority,
        target=target,
        headers=headers,
        adapter="explain",
        client_ip=client_ip,
    )


def _from_proxy(name: str, headers: CIMultiDict[str], config: Config) -> Request:
    adapter = ADAPTERS.get(name)
    if adapter is None:
        raise click.UsageError(f"there is no adapter of that name; the adapters are {', '.join(ADAPTERS)}")
    trusted = TrustedProxies(networks=tuple(config.trusted_proxies))
    return adapter.read(Subrequest.of(headers), trusted, guarded_names(adapter.reads, reserved_names(config)))


def headers_of(description: dict[str, Any]) -> CIMultiDict[str]:
    """Return the headers of the request that *description* describes."""
    headers = description.get("headers", {})
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    try:
        return CIMultiDict([(str(name), str(value)) for name, value in pairs])
    except (TypeError, ValueError):
        raise click.UsageError("headers must be an object or a list of [name, value] pairs") from None
