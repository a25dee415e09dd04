"""One reading of a path, and the patterns that it is compared with.

Proxies and servers read a path in different ways: some decode "%2f", resolve "..", join "//" or cut ";x=1" off. A path
that two of them may read differently is refused (`ambiguous_path`): `core/spellings.py` lists what makes it so. Every
other path has one list of segments, fully decoded, and policies compare these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from authgate.core.errors import Refused
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.core.spellings import spelling_in

if TYPE_CHECKING:
    from collections.abc import Iterator

# A path whose segments are what they seem to be: nothing is encoded, and no segment begins with a dot.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~@:$!&'()*+,=-][A-Za-z0-9_.~@:$!&'()*+,=-]*+)*+/?")
_DATA = re.compile("%2f|;|%3b", re.IGNORECASE)
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
_ENCODED_SEMICOLON = re.compile("%3b", re.IGNORECASE)
_PARAMETERS = re.compile(r";[^/]*")

# Patterns may be written with any character, such as "é". Those of ASCII are taken as they are, "%" included.
_UNENCODED = "".join(map(chr, range(0x21, 0x7F)))

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_FOLD = str.maketrans(_UPPER, _LOWER)

# Clients and servers should support URIs of 8,000 octets (RFC 9110 §4.1); nginx refuses longer ones by default. 60 KB
# took 7 ms. The query does not count.
MAX_CHARACTERS = 8192
# A path with a slash or a semicolon as data has up to nine readings, and each is compared. 8 KiB took 5 ms.
MAX_SEVERAL_READINGS_CHARACTERS = 2048
# At most 15 MB: a path of 256 characters has up to 128 segments, in each of its readings.
_MAX_CACHED_PATHS = 256
_MAX_CACHED_CHARACTERS = 256


def fold(text: str) -> str:
    """Return *text* with ASCII letters in lower case. Other letters stay: lower() would turn a Kelvin sign into "k"."""
    return text.translate(_FOLD)


@quick_dataclass(frozen=True, slots=True, unsafe_hash=True)
class Path:
    """A path in its one reading. Nothing changes it.

    *segments* are decoded; *folded* are the same in ASCII lower case. "/" has none. *trailing_slash* is true for "/a/"
    and false for "/".
    """

    segments: tuple[str, ...]
    folded: tuple[str, ...]
    trailing_slash: bool


_ROOT = Path((), (), trailing_slash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReading:
    """How to read what servers read differently: "refuse" it, or take it as "data" of its segment.

    *encoded_slash* is about "%2f", *semicolon* about ";" and "%3b".
    """

    encoded_slash_is_data: bool = False
    semicolon_is_data: bool = False

    @property
    def data(self) -> frozenset[str]:
        """The settings of `paths` that say `data`."""
        settings = {"encoded_slash": self.encoded_slash_is_data, "semicolon": self.semicolon_is_data}
        return frozenset(name for name, is_data in settings.items() if is_data)

    def read(self, path: str) -> tuple[Path, ...]:
        """Return the readings of *path* as it was sent: the one that counts, then those of other servers.

        There are others only if the path has a slash or a semicolon as data: the path with the slash decoded, and
        without the parameters. All of them must meet the same policy. Raises `Refused` for an ambiguous path.
        """
        if len(path) <= _MAX_CACHED_CHARACTERS:
            return _read_cached(self.encoded_slash_is_data, self.semicolon_is_data, path)
        return _read(self, path)


# A key of a boolean or a text costs no call, unlike one of a dataclass.
@lru_cache(maxsize=_MAX_CACHED_PATHS)
def _read_cached(encoded_slash_is_data: bool, semicolon_is_data: bool, path: str) -> tuple[Path, ...]:  # noqa: FBT001
    if _PLAIN.fullmatch(path):
        return (_plain(path),)
    reading = PathReading(encoded_slash_is_data=encoded_slash_is_data, semicolon_is_data=semicolon_is_data)
    return _read(reading, path)


def _read(reading: PathReading, path: str) -> tuple[Path, ...]:
    if len(path) > MAX_CHARACTERS:
        raise _ambiguous(f"has over {MAX_CHARACTERS} characters")
    if _PLAIN.fullmatch(path):
        return (_plain(path),)
    _refuse_ambiguous(path, reading)
    others: tuple[str, ...] = ()
    if reading.data and _DATA.search(path):
        if len(path) > MAX_SEVERAL_READINGS_CHARACTERS:
            raise _ambiguous(
                f"has slashes or semicolons as data, and over {MAX_SEVERAL_READINGS_CHARACTERS} characters"
            )
        others = tuple(dict.fromkeys(_other_spellings(path)))
        for other in others:
            _refuse_ambiguous(other, reading)
    return tuple(dict.fromkeys(map(_decoded, (path, *others))))


def _refuse_ambiguous(path: str, reading: PathReading) -> None:
    if spelling := spelling_in(path, data=reading.data):
        raise _ambiguous(spelling.detail)


def _plain(path: str) -> Path:
    """Return the reading of *path*, which fits `_PLAIN`."""
    if len(path) == 1:
        return _ROOT
    segments = tuple(path.strip("/").split("/"))
    lower = path.lower()  # it is ASCII, so this is what `fold` returns
    folded = segments if lower == path else tuple(lower.strip("/").split("/"))
    return Path(segments, folded, path.endswith("/"))


def _other_spellings(path: str) -> Iterator[str]:
    """Yield *path* as servers read it that decode slashes, that cut parameters off, or that do both in either order."""
    for spelling in (path, _ENCODED_SEMICOLON.sub(";", path)):
        cut, split = _PARAMETERS.sub("", spelling), _ENCODED_SLASH.sub("/", spelling)
        yield from (cut, split, _ENCODED_SLASH.sub("/", cut), _PARAMETERS.sub("", split))


def _decoded(path: str) -> Path:
    """Return the reading of *path*, which is not ambiguous: every segment decoded once."""
    trailing_slash = len(path) > 1 and path.endswith("/")
    if len(path) == 1:
        return Path((), (), trailing_slash)
    raw = path.removesuffix("/")[1:]
    # The whole path is decoded at once: that takes a tenth of the time of decoding thousands of segments.
    text = _unquote(raw)
    segments, folded = text.split("/"), fold(text).split("/")
    if len(segments) > raw.count("/") + 1:  # some slashes were encoded, and are data
        segments = [_unquote(segment) for segment in raw.split("/")]
        folded = [fold(segment) for segment in segments]
    return Path(tuple(segments), tuple(folded), trailing_slash)


def _unquote(raw: str) -> str:
    return unquote_to_bytes(raw).decode("utf-8")


def _ambiguous(detail: str) -> Refused:
    return Refused(Reason.AMBIGUOUS_PATH, f"it {detail}")


@dataclass(frozen=True, slots=True)
class Field:
    """A segment of a pattern that must equal the field *name* of the identity: "{subject}"."""

    name: str


# One segment of a pattern: its decoded text, a field of the identity, or None for "*", which is any one segment.
PatternSegment = str | Field | None

MAX_PATTERN_SEGMENTS = 32
_PLAIN_SEGMENT = re.compile("[A-Za-z0-9_-]+", re.ASCII)

# The fields that a pattern may name. Each is one text that the issuer vouches for.
SEGMENT_FIELDS = ("subject", "organization", "email", "session_id", "issuer")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPattern:
    """A pattern for paths. *text* is as it was written.

    With *has_rest* ("/**" at the end) it also matches any further segments, and none. *trailing_slash*: it was written
    with one.
    """

    text: str
    segments: tuple[PatternSegment, ...]
    has_rest: bool
    trailing_slash: bool
    _literals: tuple[tuple[int, str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the literal segments: the position of each, as it is and in lower case."""
        literals = ((at, text, fold(text)) for at, text in enumerate(self.segments) if isinstance(text, str))
        object.__setattr__(self, "_literals", tuple(literals))

    def matches(self, path: Path, *, exactly: bool) -> bool:
        """Whether the pattern matches *path*. A field matches any segment; `wrong_fields` compares it later.

        *exactly*: upper and lower case, and a trailing slash, make a difference. Otherwise neither does.
        """
        given = path.segments if exactly else path.folded
        if len(given) < len(self.segments) or (len(given) > len(self.segments) and not self.has_rest):
            return False
        if exactly and not self.has_rest and path.trailing_slash != self.trailing_slash:
            return False
        for at, text, folded in self._literals:  # noqa: SIM110 - a generator costs a call for each segment
            if given[at] != (text if exactly else folded):
                return False
        return True

    def fields(self, path: Path) -> Iterator[tuple[str, str]]:
        """Yield each field of the pattern, and the segment of *path* that it stands for."""
        for wanted, segment in zip(self.segments, path.segments, strict=False):
            if isinstance(wanted, Field):
                yield wanted.name, segment


def parse_pattern(text: str) -> PathPattern:
    """Return the pattern in *text*. Raises ValueError, with a message for operators, if it is none."""
    if text.startswith("^") or ".*" in text:
        raise ValueError(
            f"{quoted(text)} is a regular expression: write /files/* for one segment, /files/** for any rest"
        )
    if not text.startswith("/"):
        raise ValueError(f"{quoted(text)} does not begin with a slash: write {quoted(f'/{text}')[1:-1]}")
    if re.search("[?#]", text):
        raise ValueError(f"{quoted(text)} has a query or a fragment: a pattern is a path alone")
    has_rest = text == "/**" or text.endswith("/**")
    body = text.removesuffix("**") if has_rest else text
    trailing_slash = len(body) > 1 and body.endswith("/") and not has_rest
    raw = body.removesuffix("/")[1:].split("/") if len(body) > 1 else []
    if "" in raw:
        raise ValueError(f"{quoted(text)} has an empty segment (//), which no path has")
    if len(raw) > MAX_PATTERN_SEGMENTS:
        raise ValueError(
            f"{quoted(text)} has {len(raw)} segments; at most {MAX_PATTERN_SEGMENTS} are allowed: end it with /**"
        )
    segments = tuple(_pattern_segment(segment, text) for segment in raw)
    return PathPattern(text=text, segments=segments, has_rest=has_rest, trailing_slash=trailing_slash)


def _pattern_segment(raw: str, text: str) -> PatternSegment:
    if raw == "*":
        return None
    if _PLAIN_SEGMENT.fullmatch(raw):  # no spelling has such characters alone; a search for all takes 50 times as long
        return raw
    if raw.startswith("{") and raw.endswith("}"):
        name = raw[1:-1]
        if name not in SEGMENT_FIELDS:
            raise ValueError(
                f"{quoted(text)}: {quoted(raw)} is not one of {', '.join(f'{{{n}}}' for n in SEGMENT_FIELDS)}"
            )
        return Field(name)
    if "**" in raw:
        raise ValueError(f"{quoted(text)}: ** is allowed at the end only, as a segment of its own: /files/**")
    if re.search(r"[*{}]", raw):
        raise ValueError(
            f"{quoted(text)}: * and {{field}} stand for a whole segment; encode a literal one (%2A, %7B, %7D)"
        )
    if raw != raw.strip() or re.fullmatch(r":[A-Za-z_]\w*|<.*>", raw):
        raise ValueError(
            f"{quoted(text)}: {quoted(raw)} is not a segment: * is any one segment; encode a literal space, colon or < "
            "(%20, %3A, %3C)"
        )
    path = "/" + quote(raw, safe=_UNENCODED, errors="surrogatepass")
    if spelling := spelling_in(path):
        raise ValueError(f"{quoted(text)} is ambiguous: it {spelling.detail}")
    return _decoded(path).segments[0]
