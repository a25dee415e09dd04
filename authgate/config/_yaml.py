"""Read YAML strictly, with errors that quote no value: the line may hold a secret. Write single lines of it.

A document has bounds, and each alias counts as a copy of its value. So a small file cannot become a
large configuration: every check is made before the value that it is about is built, and building one is linear.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from authgate.config._outbound import redacted

# The bounds of one document, with each alias written out: how many values it has (keys count, too), how many characters
# these have together, and how deep they are nested.
MAX_VALUES = 100_000
MAX_CHARACTERS = 1024 * 1024
MAX_DEPTH = 64
# A longer plain scalar is text, never a number: reading a number of n digits takes n² steps.
_MAX_NUMBER_CHARACTERS = 64
# How many messages about repeated keys there are at most.
_MAX_REPEATED_KEYS = 20

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
# Plain words that PyYAML reads as YAML 1.1 does. Here they are text, as in YAML 1.2: dates, merge keys and "=".
_NOT_RESOLVED = frozenset(_TAG + name for name in ("timestamp", "merge", "value"))

# The value in "found undefined alias 'hunter2'" and "… for the tag '!hunter2'". PyYAML quotes '<block end>' and single
# characters, too: the first alternative, which is kept. They are not values.
_QUOTED = re.compile(r"""((["'])(?:<[a-z ]+>|.)\2)|(["']).+\3""")

_ENDLESS = 1_000_000  # characters: no line is broken

# PyYAML's words for the most frequent mistakes, each with its fix.
_FIXES = {
    "expected ',' or": "quote a value that contains a comma or one of { } [ ]; close every bracket",
    "but found '<scalar>'": "quote the whole value: it goes on after a bracket or a quote",
    "expected <block end>": "the line is not indented like the lines above it: indent all lines of a group equally",
    "cannot start any token": "indent with spaces, not with tabs; quote a value that begins with a special character",
    "mapping values are not allowed": "quote a value that contains ': ' or ends with ':'",
}
_FIX_LINE = "correct the line; quote a value that contains ': ' or begins with a special character"
_FIX_TOO_LARGE = "remove what is not needed; each alias counts as a copy of its value"
FIX_REPEATED = "keep one of them"


class BadYaml(ValueError):
    """The text is not in the subset of YAML that is read. The message says where, and quotes no value."""

    def __init__(self, message: str, own_fix: str = "") -> None:
        super().__init__(message)
        self.own_fix = own_fix

    @property
    def fix(self) -> str:
        """How to fix it."""
        fixes = (fix for phrase, fix in _FIXES.items() if phrase in str(self))
        return self.own_fix or next(fixes, _FIX_LINE)


class Document(NamedTuple):
    """A parsed *value*, and a message for each key that occurs twice in one mapping. The last one is in *value*.

    No part of *value* is in two places: an alias has a copy.
    """

    value: Any
    repeated_keys: tuple[str, ...]


class _Extent(NamedTuple):
    """How much a part of a document has: values, characters, and levels of nesting."""

    values: int
    characters: int
    height: int


class _Events(yaml.SafeLoader):
    """The events of YAML's safe subset, and what plain scalars mean."""

    # YAML 1.2 allows a plain word that begins with ":" in brackets, PyYAML does not: [127.0.0.0/8, ::1/128] is a list.

    def check_plain(self) -> bool:
        return self.prefix(2) == "::" or super().check_plain()

    def check_value(self) -> bool:
        return self.prefix(2) != "::" and super().check_value()


# Only true and false are booleans, as in YAML 1.2. In YAML 1.1, no, off, yes and on are, too: `none_of: [NO, SE]` would
# let Norwegians pass.
_Events.yaml_implicit_resolvers = {
    first: [
        (tag, words)
        for tag, words in resolvers
        if tag not in _NOT_RESOLVED and (first in "tTfF" or not tag.endswith(":bool"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Builder:
    """Builds the value of a document from its events, within the bounds."""

    def __init__(self, events: _Events) -> None:
        self._events: Any = events  # its methods have no types
        self._values = self._characters = 0
        self._anchors: dict[str | None, tuple[Any, _Extent] | None] = {}  # None: the end of its value is not reached
        self._repeated_keys: list[str] = []

    def document(self) -> Document:
        """Return the one document."""
        self._events.get_event()  # the start of the stream
        value = None
        if not self._events.check_event(yaml.StreamEndEvent):
            self._events.get_event()  # the start of the document
            value, _ = self._value(1)
            self._events.get_event()
        if not self._events.check_event(yaml.StreamEndEvent):
            raise _bad(self._events.peek_event(), "a second document begins", "keep one document: remove the line ---")
        return Document(value, tuple(self._repeated_keys))

    def _value(self, depth: int) -> tuple[Any, int]:
        """Return the next value, which is nested *depth* deep, and its height."""
        event = self._events.get_event()
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, depth)
        values, characters, anchor = self._values, self._characters, event.anchor
        if anchor is not None:
            if anchor in self._anchors:
                raise _bad(event, "the anchor occurs twice", "give each anchor a name of its own")
            self._anchors[anchor] = None
        self._add(event, _Extent(1, len(getattr(event, "value", "")), 1), depth)
        value, height = self._built(event, depth)
        if anchor is not None:
            extent = _Extent(self._values - values, self._characters - characters, height)
            self._anchors[anchor] = value, extent
        return value, height

    def _aliased(self, event: yaml.AliasEvent, depth: int) -> tuple[Any, int]:
        """Return a copy of the value that *event* refers to."""
        known = self._anchors.get(event.anchor)
        if known is None:
            if event.anchor in self._anchors:
                raise _bad(event, "an alias is within the value that it stands for", "write the value out")
            fix = "write its anchor (&) before it; quote a value that begins with *"
            raise _bad(event, "found undefined alias", fix)
        value, extent = known
        self._add(event, extent, depth)
        return _copied(value), extent.height

    def _add(self, event: yaml.Event, extent: _Extent, depth: int) -> None:
        """Count what *event* adds at *depth*, before it is built."""
        self._values += extent.values
        self._characters += extent.characters
        if depth + extent.height - 1 > MAX_DEPTH:
            raise _bad(event, f"values are nested more than {MAX_DEPTH} deep", "write it with less nesting")
        if self._values > MAX_VALUES:
            raise _bad(event, f"the document has more than {MAX_VALUES} values up to here", _FIX_TOO_LARGE)
        if self._characters > MAX_CHARACTERS:
            raise _bad(event, f"its values have more than {MAX_CHARACTERS} characters up to here", _FIX_TOO_LARGE)

    def _built(self, event: Any, depth: int) -> tuple[Any, int]:  # noqa: ANN401 - the event of any value
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event), 1
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if event.tag not in {None, "!", f"{_TAG}seq" if is_list else f"{_TAG}map"}:
            raise _bad(event, "its tag is not for a list or a mapping that AuthGate reads", "remove the tag")
        return self._list(depth) if is_list else self._mapping(depth)

    def _list(self, depth: int) -> tuple[list[Any], int]:
        elements, tallest = [], 0
        while not self._events.check_event(yaml.SequenceEndEvent):
            element, height = self._value(depth + 1)
            elements.append(element)
            tallest = max(tallest, height)
        self._events.get_event()
        return elements, tallest + 1

    def _mapping(self, depth: int) -> tuple[dict[Any, Any], int]:
        mapping: dict[Any, Any] = {}
        tallest = 0
        while not self._events.check_event(yaml.MappingEndEvent):
            event = self._events.peek_event()
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                raise _bad(event, "a merge key (<<) is not read", "write the settings out, or quote the key")
            key, height = self._value(depth + 1)
            if isinstance(key, (list, dict)):
                raise _bad(event, "found unhashable key: the name of a setting is text", "write name: value")
            if key in mapping and len(self._repeated_keys) < _MAX_REPEATED_KEYS:
                shown = redacted(key) if isinstance(key, str) else f"{key!r:.80}"
                self._repeated_keys.append(f"{_place(event.start_mark)}: the key {shown} occurs twice")
            value, value_height = self._value(depth + 1)
            mapping[key] = value
            tallest = max(tallest, height, value_height)
        self._events.get_event()
        return mapping, tallest + 1

    def _scalar(self, event: yaml.ScalarEvent) -> Any:  # noqa: ANN401 - a value of YAML
        tag, text = event.tag, event.value
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise _bad(event, "an escape is half a character", "write the character itself")
        if tag in {None, "!"}:
            # 12:30 is text, and no number with the base 60, as in YAML 1.2.
            if len(text) > _MAX_NUMBER_CHARACTERS or ":" in text:
                return text
            tag = self._events.resolve(yaml.ScalarNode, text, event.implicit)
        if tag not in _SCALARS:
            raise _bad(event, "its tag is not one that AuthGate reads", "remove the tag")
        if tag != f"{_TAG}str" and len(text) > _MAX_NUMBER_CHARACTERS:
            raise _bad(event, f"a number has more than {_MAX_NUMBER_CHARACTERS} characters", "remove the tag")
        try:
            return yaml.SafeLoader.yaml_constructors[tag](self._events, yaml.ScalarNode(tag, text))
        except (ValueError, KeyError):  # !!int x, !!bool x
            raise _bad(event, "the value is not what its tag says", "remove the tag") from None


def _copied(value: Any) -> Any:  # noqa: ANN401 - a value of YAML
    if isinstance(value, list):
        return [_copied(element) for element in value]
    if isinstance(value, dict):
        return {key: _copied(element) for key, element in value.items()}
    return value


def parse(text: str) -> Document:
    """Return the one document in *text*, or raise `BadYaml`."""
    events = None
    try:
        events = _Events(text)
        return _Builder(events).document()
    except yaml.YAMLError as error:
        raise BadYaml(_described(error)) from None
    except BadYaml:
        raise
    except (ValueError, OverflowError):  # "\UFFFFFFFF"
        mark = None if events is None else events.get_mark()
        place = "" if mark is None else f"{_place(mark)}: "
        raise BadYaml(f"{place}an escape is not a character", "write the character itself") from None
    finally:
        if events is not None:
            events.dispose()


def in_one_line(setting: str, value: object) -> str:
    """Return *setting* with *value* in one line of YAML."""
    is_group = isinstance(value, (list, dict))
    for style in (None, '"'):  # in double quotes, line breaks and the like are escaped
        text = yaml.safe_dump(
            [value] if is_group else {setting: value},
            default_flow_style=is_group,
            default_style=style,
            sort_keys=False,
            width=_ENDLESS,
            allow_unicode=True,
        ).removesuffix("\n")
        if text.isprintable():
            break
    return f"{setting}: {text[1:-1]}" if is_group else text


def _bad(event: yaml.Event, message: str, fix: str) -> BadYaml:
    return BadYaml(f"{_place(event.start_mark)}: {message}", fix)


def _described(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it holds a character that YAML does not allow"
    return f"{_place(error.problem_mark)}: {_QUOTED.sub(lambda quoted: quoted[1] or '…', error.problem or '')}"


def _place(mark: Any) -> str:  # noqa: ANN401 - PyYAML has two classes of marks
    return f"line {mark.line + 1}, column {mark.column + 1}"
