"""The spellings of a path that servers read in different ways. A path with one of them is refused.

This is the only list. The decision uses it (`core/paths.py`), the proxies' configurations are generated from it
(`authgate/proxies/`), and the tests take their cases from it. To refuse another spelling, add a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# In the pattern of UTF-8: a character that is not encoded.
_OTHER = "[^%]"
_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """One kind of spelling.

    *pattern* finds it in a path as the client sent it, without the query. If *is_required*, the pattern describes every
    good path: a path that it does not match has the spelling. *decoded* finds it in a path that Traefik has decoded
    once, apart from "%" and reserved characters; "" if Traefik never shows such a path to its rules. Both ignore case,
    and use only what Python, PCRE (nginx) and RE2 (Caddy, Traefik) share: no look-around, no backreferences.

    *detail* completes the sentence "the path is ambiguous because it …". *setting* is the setting of `paths` that may
    take it as data. Each of *examples* is refused for this spelling.
    """

    name: str
    pattern: str
    detail: str
    examples: tuple[str, ...]
    decoded: str = ""
    is_required: bool = False
    setting: str | None = None
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the pattern, for paths in lower case, because ignoring case takes several times as long.

        In Python, "$" would also match before a line feed at the end. RE2 lacks the possessive "++", without which
        8 KiB of letters take 1 ms.
        """
        pattern = self.pattern.replace("$", r"\Z").replace(_OTHER, f"{_OTHER}++")
        object.__setattr__(self, "_regex", re.compile(pattern, re.ASCII))

    def is_in(self, path: str) -> bool:
        """Whether *path*, as the client sent it and without the query, has this spelling."""
        # lower() alone would turn a Kelvin sign into an ASCII "k".
        lower = path.lower() if path.isascii() else path.translate(_LOWER)
        return (self._regex.search(lower) is None) is self.is_required


_SLASH = r"(?:/|\\|%2f|%5c)"
# RFC 3629 §4, percent-encoded. Overlong forms, surrogates and what is above U+10FFFF do not match.
_TAIL = "%[89ab][0-9a-f]"
_UTF_8 = (
    f"{_OTHER}|%[0-7][0-9a-f]"
    f"|%(?:c[2-9a-f]|d[0-9a-f]){_TAIL}"
    f"|%e0%[ab][0-9a-f]{_TAIL}|%ed%[89][0-9a-f]{_TAIL}|%e[1-9a-cef](?:{_TAIL}){{2}}"
    f"|%f0%[9ab][0-9a-f](?:{_TAIL}){{2}}|%f[1-3](?:{_TAIL}){{3}}|%f4%8[0-9a-f](?:{_TAIL}){{2}}"
)

# In the order in which they are looked for: the first that is found is named in the log line.
SPELLINGS = (
    Spelling(
        name="not a path",
        pattern="^(?:[^/]|$)",
        detail="does not begin with a slash",
        examples=("x:api/tasks", "api/tasks", "\\api\\tasks"),
    ),
    Spelling(
        name="semicolon",
        pattern=";|%3b",
        decoded=";",
        detail="has a semicolon: some servers cut the segment there (`paths.semicolon`)",
        setting="semicolon",
        examples=("/api;x=1/tasks", "/api/tasks;x", "/api%3B/tasks", "/api;/tasks"),
    ),
    Spelling(
        name="encoded slash",
        pattern="%2f",
        detail="has an encoded slash: some servers decode it (`paths.encoded_slash`)",
        setting="encoded_slash",
        examples=("/api%2ftasks", "/api%2Ftasks", "/%2fhealthz"),
    ),
    Spelling(
        name="not ASCII",
        pattern=r"[^\x00-\x7f]",
        detail="has a byte that is not ASCII and not encoded: some servers read it as UTF-8, others as Latin-1",
        examples=("/café", "/caf\udcc3\udca9", "/caf\udce9"),
    ),
    Spelling(
        name="bad escape",
        pattern="%(?:[^0-9a-f]|[0-9a-f][^0-9a-f]|[0-9a-f]?$)",
        detail='has a "%" that is not followed by two hexadecimal digits',
        examples=("/api%", "/api/%2", "/api/%zz", "/api%u002ftasks"),
    ),
    Spelling(
        name="not UTF-8",
        pattern=f"^(?:{_UTF_8})*$",
        is_required=True,
        decoded=r"\x{FFFD}",
        detail="is not UTF-8",
        examples=("/api%ff", "/api%c0%aftasks", "/%c0%ae%c0%ae/api", "/api%e0%80%aftasks", "/%ed%a0%80", "/%c3"),
    ),
    Spelling(
        name="backslash",
        pattern=r"\\|%5c",
        decoded=r"\\",
        detail="has a backslash, which some servers read as a slash",
        examples=("/api\\tasks", "/\\x/api/tasks", "/api%5Ctasks"),
    ),
    Spelling(
        name="number sign",
        pattern="#",
        decoded="#",
        detail="has a # within the path",
        examples=("/healthz#/api", "/#/api"),
    ),
    Spelling(
        name="encoded question mark",
        pattern="%3f",
        detail="has an encoded question mark within the path",
        examples=("/healthz%3f/api", "/healthz%3F"),
    ),
    Spelling(
        name="control character",
        pattern=r"[\x00-\x20\x7f]|%[01][0-9a-f]|%7f|%c2%[89][0-9a-f]",
        decoded=r"[\x{00}-\x{1F}\x{7F}-\x{9F}]",
        detail="has a control character",
        examples=("/api%00", "/api%0atasks", "/%09api", "/api%7f", "/api%C2%85"),
    ),
    Spelling(
        name="encoded twice",
        pattern="%25(?:[0-9a-f]|%3[0-9]|%[46][1-6]){2}",
        decoded="%25[0-9a-f]{2}",
        detail='is encoded twice: "%25" with two hexadecimal digits after it',
        examples=("/api%252ftasks", "/%2561pi", "/%252e%252e/api", "/api%25%32%66tasks"),
    ),
    Spelling(
        name="empty segment",
        pattern="//",
        decoded="//",
        detail="has an empty segment (//)",
        examples=("//api/tasks", "//x/api/tasks", "/api//tasks", "/api/tasks//"),
    ),
    Spelling(
        name="dot segment",
        pattern=rf"{_SLASH}(?:\.|%2e){{1,2}}(?:{_SLASH}|;|%3b|$)",
        decoded=r"(?:/|%2f)\.{1,2}(?:/|%2f|;|%3b|$)",
        detail="has a dot segment",
        examples=("/x/../api", "/./api", "/x/%2e%2e/api", "/x/.%2E/api", "/x/..%2fapi", "/api/."),
    ),
)


def spelling_in(path: str, *, data: frozenset[str] = frozenset()) -> Spelling | None:
    """Return the first refused spelling that *path* has; None if it has none.

    *path* is as the client sent it, without the query. *data* are the settings of `paths` that say `data`.
    """
    for spelling in SPELLINGS:
        if spelling.setting not in data and spelling.is_in(path):
            return spelling
    return None
