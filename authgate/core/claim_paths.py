"""Claim paths: where a value is within the payload of a token.

A path is written as names joined by dots: `realm_access.roles`. A name that holds a dot, a quote, white space or `://`,
or that is empty, is written in double quotes: `"https://example.com/roles"`, `"kubernetes.io".namespace`. A quote
within such a name is written twice: `"the ""new"" name"`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ClaimPath: TypeAlias = tuple[str, ...]

# What a header or a rule writes before a claim path.
CLAIMS = "claims."

_NAME = re.compile(r'"((?:[^"]|"")*)"|([^.\s"]+)')
_PLAIN = re.compile(r'(?!.*://)[^.\s"]+', re.DOTALL)

_HOW_TO_WRITE = 'write names joined by dots, such as tenant.plan; put a name that holds a dot or a space in "quotes"'


def parse(text: str, *, prefix: str = "") -> ClaimPath:
    """Return the names in the written path *text*. Raise ValueError if it is not a path.

    The second line of the message says what to write. The message quotes *text* only in a spelling that it proposes,
    with *prefix* before it.
    """
    names = []
    position = 0
    while match := _NAME.match(text, position):
        in_quotes, plain = match.groups()
        if plain is not None and "://" in plain:
            raise ValueError(f"has a name with :// that is not in quotes\nwrite {_proposal(text, prefix)}")
        names.append(plain if plain is not None else in_quotes.replace('""', '"'))
        position = match.end()
        if position == len(text):
            return tuple(names)
        if text[position] != ".":
            break
        position += 1
    raise ValueError(f"is not the path of a claim\n{_HOW_TO_WRITE}")


def written(path: ClaimPath) -> str:
    """Return *path* as `parse` reads it."""
    return ".".join(name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"' for name in path)


def find(payload: Mapping[str, Any], path: ClaimPath, absent: object = None) -> Any:  # noqa: ANN401 - any JSON value
    """Return the member of *payload* at *path*.

    *absent* if there is no such member; None if the path leads through a value that is not an object.
    """
    value: Any = payload
    for name in path:
        if not isinstance(value, dict):
            return None
        if name not in value:
            return absent
        value = value[name]
    return value


def part(payload: Mapping[str, Any], paths: Collection[ClaimPath]) -> dict[str, Any]:
    """Return what of *payload* `find` needs for each of *paths*, and `elsewhere` for the first names of them."""
    if not paths:
        return {}
    return _part(payload, _tree(frozenset(paths)))


# The members to keep, by name: the whole value, or a tree of its members.
_Tree: TypeAlias = "dict[str, _Tree | None]"


@lru_cache(maxsize=64)
def _tree(paths: frozenset[ClaimPath]) -> _Tree:
    """Return what `part` keeps for *paths*. A configuration has one set of paths, so it is made once."""
    tree: _Tree = {}
    firsts = {path[0] for path in paths}
    # The longest come first, so that a shorter path takes the whole value that a longer one leads into.
    for path in sorted({*paths, ("hasgroups",), *(("_claim_names", name) for name in firsts)}, key=len, reverse=True):
        inner = tree
        for name in path[:-1]:
            inner = cast("_Tree", inner.setdefault(name, {}))
        inner[path[-1]] = None
    return tree


def _part(payload: Mapping[str, Any], tree: _Tree) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if payload.keys().isdisjoint(tree):
        return kept
    for name, value in payload.items():
        if name in tree:
            rest = tree[name]
            if rest is None:
                kept[name] = value
            else:
                kept[name] = _part(value, rest) if isinstance(value, dict) else None  # `find` returns None for each
    return kept


def elsewhere(payload: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the claims that *payload* does not have, and says to be at another server.

    Such a claim is not absent: the token does not have its value (distributed claims, OpenID Connect Core §5.6.2).
    Entra ID writes `hasgroups`, too.
    """
    distributed = payload.get("_claim_names")
    names = {*distributed} if isinstance(distributed, dict) else set()
    if payload.get("hasgroups") in (True, "true"):
        names.add("groups")
    return frozenset(names - payload.keys())


def _proposal(text: str, prefix: str) -> str:
    """Return the path *text* with its URL in quotes, as YAML needs it. That the URL ends at a dot is a guess."""
    if not text.isprintable() or "@" in text or '"' in text or "'" in text:  # a password, or too odd to propose
        text = "https://example.com/roles"
    begin = text.index("://")
    start = text.rfind(".", 0, begin) + 1
    slash = text.rfind("/", begin + len("://"))
    end = text.find(".", slash) if slash > 0 else -1
    end = len(text) if end < 0 else end
    return f"""'{prefix}{text[:start]}"{text[start:end]}"{text[end:]}'"""
