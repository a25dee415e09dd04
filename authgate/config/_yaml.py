"""Read YAML strictly, with errors that quote no value: the line may hold a secret. Write single lines of it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from authgate.config._outbound import redacted

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
FIX_REPEATED = "keep one of them"


class BadYaml(ValueError):
    """The text is not in the subset of YAML that is read. The message says where, and quotes no value."""

    @property
    def fix(self) -> str:
        """How to fix it."""
        fixes = (fix for phrase, fix in _FIXES.items() if phrase in str(self))
        return next(fixes, "correct the line; quote a value that contains ': ' or begins with a special character")


class Document(NamedTuple):
    """A parsed *value*, and a message for each key that occurs twice in one mapping. The last one is in *value*."""

    value: Any
    repeated_keys: tuple[str, ...]


class _StrictLoader(yaml.SafeLoader):
    """Loads YAML's safe subset, and records repeated keys: the second would silently replace the first."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated_keys: dict[int, str] = {}  # a message, by the position in the text

    # YAML 1.2 allows a plain word that begins with ":" in brackets, PyYAML does not: [127.0.0.0/8, ::1/128] is a list.

    def check_plain(self) -> bool:
        return self.prefix(2) == "::" or super().check_plain()

    def check_value(self) -> bool:
        return self.prefix(2) != "::" and super().check_value()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                mark = key_node.start_mark
                shown = redacted(key) if isinstance(key, str) else f"{key!r:.80}"
                self.repeated_keys[mark.index] = f"{_place(mark)}: the key {shown} occurs twice"
            keys.append(key)
        return super().construct_mapping(node, deep=deep)


# Only true and false are booleans, as in YAML 1.2. In YAML 1.1, no, off, yes and on are, too: `none_of: [NO, SE]` would
# let Norwegians pass.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, words) for tag, words in resolvers if first in "tTfF" or not tag.endswith(":bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> Document:
    """Return the one document in *text*, or raise `BadYaml`."""
    loader = None
    try:
        loader = _StrictLoader(text)
        value = loader.get_single_data()
        return Document(value, tuple(message for _, message in sorted(loader.repeated_keys.items())))
    except yaml.YAMLError as error:
        raise BadYaml(_described(error)) from None
    except (ValueError, TypeError, RecursionError) as error:  # a date like 2026-13-45, a tag on the wrong node, depth
        raise BadYaml(f"it holds a value that cannot be read ({type(error).__name__})") from None
    finally:
        if loader is not None:
            loader.dispose()


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


def _described(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it holds a character that YAML does not allow"
    return f"{_place(error.problem_mark)}: {_QUOTED.sub(lambda quoted: quoted[1] or '…', error.problem or '')}"


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
