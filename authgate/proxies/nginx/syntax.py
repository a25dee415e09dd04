"""nginx's syntax: a text becomes directives, with the directives of the files that it includes.

The rules are those of nginx's own parser (src/core/ngx_conf_file.c). A directive is not checked against what nginx
knows: `nginx -t` does that.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from authgate.proxies.findings import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authgate.proxies.findings import Source

_MAX_FILES = 1_000
_MAX_INCLUDES_IN_INCLUDES = 32
_MAX_BLOCKS_IN_BLOCKS = 64
_MAX_DIRECTIVES = 200_000

_SPACE_AND_COMMENTS = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*+")
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*+)"|'((?:[^'\\]|\\.)*+)'""", re.DOTALL)
_BARE = re.compile(r"(?:[^ \t\r\n;{\\$]|\$\{*|\\.)++", re.DOTALL)
_AFTER_QUOTES = " \t\r\n;{)"
_ESCAPE = re.compile(r"\\([\"'\\trn])")
_CONTROL = {"t": "\t", "r": "\r", "n": "\n"}
_WILDCARD = re.compile(r"[*?\[]")
# What may hide a brace in Lua: long brackets, comments and strings.
_LUA = re.compile(r"(?:--)?\[(?P<signs>=*)\[|--[^\n]*|\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'|[{}]", re.DOTALL)
# `nginx -T` prints this line before each file.
_DUMPED = re.compile(r"^# configuration file (.+):\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: its *words*, without quotes and escapes, and its *block*, None if it has none."""

    words: tuple[str, ...]
    file: str
    line: int
    block: tuple[Directive, ...] | None = None

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words after the first."""
        return self.words[1:]

    def everything(self) -> Iterator[Directive]:
        """Yield the directive and all within its block."""
        yield self
        for inner in self.block or ():
            yield from inner.everything()


def parse(text: str, file: str) -> tuple[Directive, ...]:
    """Return the directives of *text*, without following includes. Raises Unusable."""
    return _Parser(text, file).parsed()


def load(source: Source) -> tuple[Directive, ...]:
    """Return the directives of *source* and of all that it includes; *source* may be a dump of `nginx -T`.

    Raises Unusable, also for a file that includes itself.
    """
    headings = list(_DUMPED.finditer(source.text))
    if not headings:
        return _Includer(source.included).expanded(source.name, source.text)
    ends = [*(heading.start() for heading in headings[1:]), len(source.text)]
    # Without the line feed of the heading. The first copy of a file counts: nginx prints each once.
    texts = {h[1]: source.text[h.end() + 1 : end] for h, end in reversed([*zip(headings, ends, strict=True)])}
    main = headings[0][1]
    return _Includer(lambda pattern: _dumped(pattern, main, texts)).expanded(main, texts[main])


def _dumped(pattern: str, main: str, texts: dict[str, str]) -> list[tuple[str, str]]:
    """Return the files of a dump that *pattern* names. It is relative to the folder of the *main* file."""
    full = posixpath.join(posixpath.dirname(main), pattern)
    if not _WILDCARD.search(pattern):
        if full not in texts:
            raise Unusable(main, None, f"the dump has no file {full}, which is included")
        return [(full, texts[full])]
    parts = len(PurePosixPath(full).parts)
    names = [name for name in texts if len(PurePosixPath(name).parts) == parts and PurePosixPath(name).match(full)]
    return [(name, texts[name]) for name in sorted(names)]


class _Includer:
    """Replaces each `include` by the directives of its files. Each file is parsed once."""

    def __init__(self, included: Callable[[str], Sequence[tuple[str, str]]]) -> None:
        self._included = included
        self._parsed: dict[str, tuple[Directive, ...]] = {}
        self._count = 0

    def expanded(self, file: str, text: str, including: tuple[str, ...] = ()) -> tuple[Directive, ...]:
        if file in including:
            raise Unusable(file, None, f"the file includes itself, through {' → '.join([*including, file])}")
        if len(including) > _MAX_INCLUDES_IN_INCLUDES:
            raise Unusable(file, None, f"more than {_MAX_INCLUDES_IN_INCLUDES} files include each other")
        if file not in self._parsed:
            if len(self._parsed) >= _MAX_FILES:
                raise Unusable(file, None, f"there are more than {_MAX_FILES} files")
            self._parsed[file] = parse(text, file)
        return tuple(self._each(self._parsed[file], (*including, file)))

    def _each(self, directives: tuple[Directive, ...], including: tuple[str, ...]) -> Iterator[Directive]:
        for directive in directives:
            self._count += 1
            if self._count > _MAX_DIRECTIVES:
                raise Unusable(directive.file, directive.line, f"there are more than {_MAX_DIRECTIVES} directives")
            if directive.name == "include" and directive.block is None:
                if len(directive.arguments) != 1:
                    raise Unusable(directive.file, directive.line, "an include names one file")
                for name, text in self._included(directive.arguments[0]):
                    yield from self.expanded(name, text, including)
            elif directive.block:
                block = tuple(self._each(directive.block, including))
                yield Directive(directive.words, directive.file, directive.line, block)
            else:
                yield directive


@dataclass(frozen=True, slots=True)
class _Block:
    """A block that is not closed yet: the words before it, their line, and the directives that it has so far."""

    words: tuple[str, ...]
    line: int
    directives: list[Directive]


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._position = 0
        self._counted_to = 0
        self._line = 1
        # The open blocks. The first is the file itself.
        self._blocks = [_Block((), 1, [])]

    def parsed(self) -> tuple[Directive, ...]:
        """Return all directives."""
        words: list[str] = []
        line = 1
        while token := self._token(is_within=bool(words)):
            mark, word = token
            if mark == "word":
                line = line if words else self._line_now()
                words.append(word)
                continue
            if (mark == "}") is bool(words):
                raise self._fault(f"unexpected {mark}")
            if mark == ";":
                self._add(tuple(words), line, None)
            elif mark == "{":
                self._open(tuple(words), line)
            else:
                self._close()
            words = []
        if len(self._blocks) > 1:
            raise Unusable(self._file, self._blocks[-1].line, "the block that begins here has no }")
        return tuple(self._blocks[0].directives)

    def _add(self, words: tuple[str, ...], line: int, block: tuple[Directive, ...] | None) -> None:
        self._blocks[-1].directives.append(Directive(words, self._file, line, block))

    def _open(self, words: tuple[str, ...], line: int) -> None:
        if words[0].endswith("_by_lua_block"):
            self._skip_lua()
            self._add(words, line, ())
            return
        if len(self._blocks) > _MAX_BLOCKS_IN_BLOCKS:
            raise self._fault(f"more than {_MAX_BLOCKS_IN_BLOCKS} blocks are within each other")
        self._blocks.append(_Block(words, line, []))

    def _close(self) -> None:
        if len(self._blocks) == 1:
            raise self._fault("unexpected }")
        closed = self._blocks.pop()
        self._add(closed.words, closed.line, tuple(closed.directives))

    def _token(self, *, is_within: bool) -> tuple[str, str] | None:
        """Return the next token: its mark (";", "{", "}" or "word") and the word. None at the end."""
        position = self._end(_SPACE_AND_COMMENTS, self._position)
        self._position = position
        if position == len(self._text):
            if is_within:
                raise self._fault("the file ends within a directive")
            return None
        character = self._text[position]
        if character in ";{}":
            self._position += 1
            return character, ""
        if character in "\"'":
            return "word", self._quoted(position)
        bare = _BARE.match(self._text, position)
        if bare is None:
            raise self._fault("the file ends with a backslash")
        self._position = bare.end()
        return "word", _unescaped(bare[0])

    def _quoted(self, position: int) -> str:
        quoted = _QUOTED.match(self._text, position)
        if quoted is None:
            raise self._fault("the quotation that begins here does not end")
        self._position = quoted.end()
        following = self._text[self._position : self._position + 1]
        if following not in _AFTER_QUOTES:
            raise self._fault("after a quotation there must be a space, a semicolon or a brace")
        return _unescaped(quoted[1] if quoted[2] is None else quoted[2])

    def _skip_lua(self) -> None:
        depth, position = 1, self._position
        while depth and (found := _LUA.search(self._text, position)):
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            position = found.end()
            if found["signs"] is not None:
                end = f"]{found['signs']}]"
                position = self._text.find(end, position) + len(end)
                if position < found.end():
                    break
        if depth == 0:
            self._position = position
            return
        raise self._fault("the block of Lua that begins here has no }")

    def _end(self, pattern: re.Pattern[str], position: int) -> int:
        found = pattern.match(self._text, position)
        return position if found is None else found.end()

    def _line_now(self) -> int:
        """Return the number of the line that the position is in."""
        self._line += self._text.count("\n", self._counted_to, self._position)
        self._counted_to = self._position
        return self._line

    def _fault(self, message: str) -> Unusable:
        return Unusable(self._file, self._line_now(), message)


def _unescaped(word: str) -> str:
    return _ESCAPE.sub(lambda escape: _CONTROL.get(escape[1], escape[1]), word)
