"""A sign-in page that follows any return address, and what a browser makes of it (WHATWG URL standard, §4.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.sign_in import DEFAULT_PORTS
from authgate.core.subrequest import Subrequest
from tests.support.deciding import decide_now
from tests.support.serving import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.adapters import Reply
    from authgate.core.snapshot import Snapshot

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_IGNORED_AROUND = "".join(map(chr, range(0x21)))


def answer(
    proxy: str, snapshot: Snapshot, uri: str, host: str, scheme: str = "https", method: str = "GET"
) -> Reply | None:
    """Return the reply to *proxy* about a browser that navigates there without a session; None if it is unreadable."""
    adapter = ADAPTERS[proxy]
    lines = [*described(proxy, method=method, scheme=scheme, host=host, uri=uri), ("Sec-Fetch-Mode", "navigate")]
    try:
        request = adapter.read(
            Subrequest.of(CIMultiDict(lines)), TrustedProxies(networks=()), guarded_names(adapter.reads, ())
        )
    except Unreadable:
        return None
    decision = decide_now(request, snapshot)
    assert isinstance(decision, Deny)
    return adapter.write(decision, "id-1")


def location(reply: Reply | None) -> str:
    """Return where *reply* sends the browser; "" if nowhere."""
    found = [] if reply is None else [value for name, value in reply.headers if name == "Location"]
    assert len(found) <= 1
    return found[0] if found else ""


def places(address: str, parameter: str = "return_to") -> Iterator[str]:
    """Yield where a browser ends that opens *address*, and signs in: scheme://host[:port], or a scheme alone."""
    assert re.fullmatch(r"[!-~]+", address), address
    assert not set(address) & set("\"'<>\\^`{|}#"), address
    page = urlsplit(address)
    yield resolved(address, address)
    for pairs in (parse_qsl(page.query, keep_blank_values=True), parse_qsl(page.query.replace(";", "&"))):
        values = [value for name, value in pairs if name == parameter]
        assert len(values) <= 1, "the page might take the second"
        for value in values:
            assert value
            yield resolved(value, address)
            yield resolved(unquote(value), address)


def resolved(text: str, base: str) -> str:
    """Return the origin of *text* as a browser resolves it on the page *base*; a scheme alone if it has no host."""
    text = re.sub(r"[\t\n\r]", "", text.strip(_IGNORED_AROUND)).replace("\\", "/")
    scheme = urlsplit(base).scheme
    if match := _SCHEME.fullmatch(text):
        named, text = match[1].lower(), match[2]
        if named not in DEFAULT_PORTS:
            return f"{named}:"
        if named == scheme and not text.startswith("//"):  # https:a is the path a on the same host
            return _origin(scheme, urlsplit(base).netloc)
        return _origin(named, text.lstrip("/"))
    if text.startswith("//"):
        return _origin(scheme, text.lstrip("/"))
    return _origin(scheme, urlsplit(base).netloc)


def _origin(scheme: str, text: str) -> str:
    authority = re.split("[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    host, colon, port = authority.rpartition(":")
    if not colon or not (port.isdigit() or not port):
        host, port = authority, ""
    is_usual = not port or int(port) == DEFAULT_PORTS[scheme]
    return f"{scheme}://{unquote(host).lower().removesuffix('.')}" + ("" if is_usual else f":{int(port)}")
