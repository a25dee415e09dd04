"""The fast lane: answers a plain subrequest from its bytes alone, without aiohttp.

A proxy sends its subrequests with the same header names in the same order again and again. A `_Layout` is such a list
of names, as one regular expression for the whole head. What matches it is read at once:

    GET /auth/<adapter> HTTP/1.1, then each name of the layout with a value of printable ASCII, then an empty line.

What does not match goes to aiohttp, untouched: another method, a body, an upgrade, a name twice, a folded line, a part
of a head, two heads at once, any other character. So do heads whose layout is new: the lane makes a layout when it has
seen the same names `_SEEN_BEFORE` times.

What always holds:

- A layout has only names of letters, digits and single "-", each once. Host is one of them: without it, the head is not
  HTTP/1.1. None changes how aiohttp reads or answers a request (`_NEVER`); `_EXACT` has the only values of others.
- Nothing is kept but names. They are bounded: `_MAX_LAYOUTS`, `_MAX_NAMES`, `_MAX_CHARACTERS`.
- A reply is the same as aiohttp's, byte for byte; tests/server/test_same_answers.py compares them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.core.subrequest import Subrequest, are_plain
from authgate.desk import ENDPOINTS, Pending
from authgate.server.reply_bytes import ReplyBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authgate.desk import Desk
    from authgate.peers import Peer

# aiohttp or the next hop treats a request with one of these in its own way.
_NEVER = frozenset(
    {
        *("content-encoding", "expect", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "sec-websocket-key1", "sec-websocket-key2"),
    }
)
# The values with which these may occur, as regular expressions.
_EXACT = {"connection": "keep-alive|close", "content-length": "0"}

# Compiling a layout takes 0.5 ms, and 2 ms for the most names; a request through aiohttp takes 0.1 ms. So a client that
# sends new names again and again makes its own requests more expensive by half at most.
_SEEN_BEFORE = 32
# A deployment has a few dozen: each kind of browser has its own, for pages, scripts and images.
_MAX_LAYOUTS = 128
_MAX_SEEN = 256
_MAX_NAMES = 48
_MAX_CHARACTERS = 1024

_NAMES = re.compile(r"\r\n([A-Za-z0-9-]+): ")
_VALUE = "[!-~][ -~]*+(?<! )"  # no space at either end
_REQUEST_LINE = rf"GET ({'|'.join(map(re.escape, ENDPOINTS))}) HTTP/1\.1\r\n"


class _Layout:
    """Header names in their order. *pattern* matches a head that has exactly these.

    *groups* has the number of each name's group, by lower-case name. *agent* and *connection* are the groups of
    User-Agent and Connection; 0 if the layout does not have them.
    """

    __slots__ = ("agent", "connection", "groups", "names", "pattern")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.groups = {name.lower(): number for number, name in enumerate(names, start=2)}
        self.agent = self.groups.get("user-agent", 0)
        self.connection = self.groups.get("connection", 0)
        lines = (rf"{re.escape(name)}: ({_EXACT.get(name.lower(), _VALUE)})\r\n" for name in names)
        self.pattern = re.compile(f"{_REQUEST_LINE}{''.join(lines)}\r\n")


class _Fields:
    """The header fields of a head that matched a layout. Each name occurs once."""

    __slots__ = ("_layout", "_match")

    def __init__(self, match: re.Match[str], layout: _Layout) -> None:
        self._match = match
        self._layout = layout

    def getall(self, key: str, default: tuple[()]) -> Sequence[str]:
        """Return the value of *key*, a name in lower case, or *default*."""
        group = self._layout.groups.get(key)
        return default if group is None else (self._match[group],)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.names)


class FastLane:
    """Answers plain subrequests. *answered* counts them."""

    def __init__(self, desk: Callable[[], Desk]) -> None:
        """*desk* returns the desk of the current configuration."""
        self.answered = 0
        self._desk = desk
        self._layouts = _Layouts()
        self._recent = _Layout(("Host",))  # any layout will do
        self._bytes_of = ReplyBytes().of

    def answer(self, data: bytes, peer: Peer) -> bytes | _Waiting | None:
        """Return the reply to *data*, which *peer* sent; None if it is not a plain subrequest of a known layout."""
        text = data.decode("latin-1")
        layout = self._recent
        match = layout.pattern.fullmatch(text)
        if match is None:
            found = self._layouts.find(text)
            match = None if found is None else found.pattern.fullmatch(text)
            if found is None or match is None:
                return None
            layout = self._recent = found
        self.answered += 1
        fields = _Fields(match, layout)
        is_own = layout.agent != 0 and match[layout.agent].startswith("AuthGate/")
        subrequest = Subrequest(fields, "GET", match[1], is_plain=True, is_own=is_own)
        reply = self._desk().answer(ENDPOINTS[match[1]], subrequest, peer)
        is_last = layout.connection != 0 and match[layout.connection] == "close"
        if isinstance(reply, Pending):
            return _Waiting(reply, self._bytes_of, is_last=is_last)
        return self._bytes_of(reply, is_last=is_last)


class _Waiting:
    """A reply that waits for a lookup."""

    __slots__ = ("_bytes_of", "_is_last", "_pending")

    def __init__(self, pending: Pending, bytes_of: Callable[..., bytes], *, is_last: bool) -> None:
        self._pending = pending
        self._bytes_of = bytes_of
        self._is_last = is_last

    async def reply(self) -> bytes:
        """Return the reply. Call it once."""
        return self._bytes_of(await self._pending.reply(), is_last=self._is_last)


class _Layouts:
    """The known layouts, and how often the names of others were seen."""

    def __init__(self) -> None:
        # In both, the least recently used comes first.
        self._known: dict[tuple[str, ...], _Layout] = {}
        self._seen: dict[tuple[str, ...], int] = {}

    def find(self, text: str) -> _Layout | None:
        """Return the layout of the head *text*, None if it has none yet."""
        names = tuple(_NAMES.findall(text))
        layout = self._known.pop(names, None)
        if layout is None:
            if not self._has_been_seen(names):
                return None
            layout = _Layout(names)
            if len(self._known) >= _MAX_LAYOUTS:
                del self._known[next(iter(self._known))]
                re.purge()  # otherwise the cache of `re` would hold up to 512 dropped patterns
        self._known[names] = layout
        return layout

    def _has_been_seen(self, names: tuple[str, ...]) -> bool:
        """Count *names*, unless they can have no layout. Return whether they were seen often enough."""
        lower = [name.lower() for name in names]
        joined = "-".join(lower)
        is_fit = len(lower) <= _MAX_NAMES and len(joined) <= _MAX_CHARACTERS and are_plain(joined)
        if not is_fit or "host" not in lower or len({*lower}) != len(lower) or not _NEVER.isdisjoint(lower):
            return False
        count = self._seen.pop(names, 0) + 1
        if count > _SEEN_BEFORE:
            return True
        if len(self._seen) >= _MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[names] = count
        return False
