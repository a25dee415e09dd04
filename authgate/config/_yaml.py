"""YAML read strictly, and its errors in words that quote nothing: the line may hold a secret."""

from __future__ import annotations

import re
from typing import Any

import yaml

# "found undefined alias 'hunter2'", "… for the tag '!hunter2'"; '<block end>' and single characters are no values.
_QUOTED = re.compile(r"""(["'])(?!<)..+\1""")


# What PyYAML says of the commonest slips, and how to mend them.
_MENDS = {
    "expected <block end>": "the line is indented otherwise than those above it; one group begins in one column",
    "cannot start any token": "a tab, perhaps? indent with spaces; a value with a leading special character is quoted",
    "mapping values are not allowed": "a value with ': ' in it needs quotes",
    "occurs twice": "keep one of them",
}


class BadYaml(ValueError):
    """The text is not YAML of the subset that is read. Its message says where, and quotes no value."""

    @property
    def fix(self) -> str:
        """How to put it right."""
        found = (fix for slip, fix in _MENDS.items() if slip in str(self))
        return next(found, "correct the line; a value with ': ' or a leading special character needs quotes")


class _RepeatedKey(yaml.constructor.ConstructorError):
    """A mapping has a key twice."""


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe subset, with repeated keys refused: the second would silently replace the first."""

    # YAML 1.2 lets a plain word begin with ":" in brackets, PyYAML does not: [127.0.0.0/8, ::1/128] shall be a list.

    def check_plain(self) -> bool:
        return self.prefix(2) == "::" or super().check_plain()

    def check_value(self) -> bool:
        return self.prefix(2) != "::" and super().check_value()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                raise _RepeatedKey(None, None, f"the key {key!r} occurs twice", key_node.start_mark)
            keys.append(key)
        return super().construct_mapping(node, deep=deep)


def parse(text: str) -> Any:  # noqa: ANN401 - any document
    """Return the one document in *text*, or raise `BadYaml`."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses repeated keys
    except yaml.YAMLError as error:
        raise BadYaml(_described(error)) from None
    except (ValueError, TypeError, RecursionError) as error:  # a date like 2026-13-45, a tag on the wrong node, depth
        raise BadYaml(f"it holds what cannot be read ({type(error).__name__})") from None


def _described(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it holds a character that YAML does not allow"
    problem = error.problem or ""
    message = problem if isinstance(error, _RepeatedKey) else _QUOTED.sub("…", problem)
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {message}"
