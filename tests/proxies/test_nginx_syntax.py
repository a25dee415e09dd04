"""The parser of nginx's syntax, and the files that a configuration includes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate.proxies.findings import Source, Unusable
from authgate.proxies.nginx.generator import quoted
from authgate.proxies.nginx.syntax import load, parse

if TYPE_CHECKING:
    from authgate.proxies.nginx.syntax import Directive

Tree = tuple[tuple[str, ...], list["Tree"] | None]


def tree(directives: tuple[Directive, ...]) -> list[Tree]:
    return [(d.words, None if d.block is None else tree(d.block)) for d in directives]


def loaded(files: dict[str, str]) -> list[Tree]:
    """Return the tree of the first of *files*; a pattern in "*" names those that begin with the rest."""

    def included(pattern: str) -> list[tuple[str, str]]:
        if pattern.endswith("*"):
            return [(name, text) for name, text in files.items() if name.startswith(pattern[:-1])]
        return [(pattern, files[pattern])]

    name = next(iter(files))
    return tree(load(Source(name=name, text=files[name], included=included)))


SYNTAX: list[tuple[str, list[Tree]]] = [
    ("", []),
    ("# only a comment", []),
    ("a;", [(("a",), None)]),
    ("a b#c d;#e\n", [(("a", "b#c", "d"), None)]),
    ("a 'b c' \"d;{}\";", [(("a", "b c", "d;{}"), None)]),
    ("a {b c;}", [(("a",), [(("b", "c"), None)])]),
    ("a{}b{}", [(("a",), []), (("b",), [])]),
    # As nginx does: a backslash before a quote, a backslash, t, r or n goes; before anything else it stays.
    (r'a "\"\\\.\d" \;\ \$;', [(("a", r'"\\.\d', r"\;\ \$"), None)]),
    (r"a \t'b' '\n';", [(("a", "\t'b'", "\n"), None)]),
    ("a ${b}c $d{}", [(("a", "${b}c", "$d"), [])]),
    ('if ($a = "b") {}', [(("if", "($a", "=", "b", ")"), [])]),
    ('map $a $b { "" ""; default 1; }', [(("map", "$a", "$b"), [(("", ""), None), (("default", "1"), None)])]),
    ("a b};", [(("a", "b}"), None)]),
    ("a {\r\n  b;\r\n}\r\n", [(("a",), [(("b",), None)])]),
    (
        "x_by_lua_block { -- }\n a = '}' .. [[ } ]] .. {} --[==[ } ]==] }\nb;",
        [(("x_by_lua_block",), []), (("b",), None)],
    ),
]


@pytest.mark.parametrize(("text", "expected"), SYNTAX, ids=[text[:20] for text, _ in SYNTAX])
def test_words_blocks_quotes_and_escapes_are_read_as_nginx_reads_them(text: str, expected: list[Tree]) -> None:
    assert tree(parse(text, "nginx.conf")) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;\nb", "nginx.conf:2: the file ends within a directive"),
        ("a {\nb;\n", "nginx.conf:1: the block that begins here has no }"),
        ("a;\n}", "nginx.conf:2: unexpected }"),
        (";", "nginx.conf:1: unexpected ;"),
        ("{}", "nginx.conf:1: unexpected {"),
        ("a { b }", "nginx.conf:1: unexpected }"),
        ('a "b;\n', "nginx.conf:1: the quotation that begins here does not end"),
        ('a "b"c;', "nginx.conf:1: after a quotation there must be a space, a semicolon or a brace"),
        ("a \\", "nginx.conf:1: the file ends with a backslash"),
        ("x_by_lua_block { '}'", "nginx.conf:1: the block of Lua that begins here has no }"),
        ("x_by_lua_block { [[ } ", "nginx.conf:1: the block of Lua that begins here has no }"),
        ("a{" * 65, "nginx.conf:1: more than 64 blocks are within each other"),
    ],
)
def test_what_nginx_would_not_read_is_reported_with_its_line(text: str, message: str) -> None:
    with pytest.raises(Unusable) as raised:
        parse(text, "nginx.conf")
    assert str(raised.value) == message


def test_a_directive_has_the_line_of_its_first_word() -> None:
    lines = [(d.name, d.line) for d in parse("\n# x\na\n  b;\nc 'd\n' {\n}\ne;", "f")]
    assert lines == [("a", 3), ("c", 5), ("e", 8)]


# Characters that mean something to the parser, and pieces that reach its rarer branches.
_PIECES = st.sampled_from([*" \t\r\n;{}#\"'\\$()[]=-ab\0é", "x_by_lua_block {", "${", "--[[", "include ", "map "])


@settings(max_examples=60)
@given(st.lists(_PIECES, max_size=60).map("".join) | st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_message(text: str) -> None:
    with contextlib.suppress(Unusable):
        parse(text, "f")


# A lone "\t" or "\n" in a word is what nginx itself makes of an escape; a quoted one stays as it is.
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    text = " ".join(map(quoted, words)) + ";"
    assert tree(parse(text, "f")) == [(tuple(words), None)]


def test_included_files_take_the_place_of_the_include() -> None:
    files = {"main": "a; b { include conf.d/*; } c;", "conf.d/1": "d;", "conf.d/2": "include deep;", "deep": "e;"}
    assert loaded(files) == [(("a",), None), (("b",), [(("d",), None), (("e",), None)]), (("c",), None)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"main": "include main;"}, "main: the file includes itself, through main → main"),
        ({"main": "include a;", "a": "b { include main; }"}, "main: the file includes itself, through main → a → main"),
        ({"main": "include 0;", **{f"{n}": f"include {n + 1};" for n in range(40)}}, "32 files include each other"),
        ({"main": "include n*;", **{f"n{n}": "" for n in range(1_001)}}, "more than 1000 files"),
        ({"main": "include a b;"}, "main:1: an include names one file"),
        # Each file includes the next twice: 2**30 directives.
        (
            {"main": "include 0;", **{f"{n}": f"include {n + 1};" * 2 for n in range(30)}, "30": "a;"},
            "200000 directives",
        ),
    ],
)
def test_includes_are_bounded(files: dict[str, str], message: str) -> None:
    with pytest.raises(Unusable) as raised:
        loaded(files)
    assert message in str(raised.value)


DUMP = """nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
# configuration file /etc/nginx/nginx.conf:
http {
    include mime.types;
    include sites/*.conf;
}
# configuration file /etc/nginx/mime.types:
types { }
# configuration file /etc/nginx/sites/a.conf:
server { include /opt/b; }
# configuration file /etc/nginx/sites/deeper/c.conf:
c;
# configuration file /opt/b:

b;
"""


def test_a_dump_of_nginx_is_read_with_its_own_files_names_and_lines() -> None:
    def never(pattern: str) -> list[tuple[str, str]]:
        raise AssertionError(f"{pattern} was looked for outside the dump")

    (http,) = load(Source(name="standard input", text=DUMP, included=never))
    found = [(d.name, d.file, d.line) for d in http.everything()]
    assert found == [
        ("http", "/etc/nginx/nginx.conf", 1),
        ("types", "/etc/nginx/mime.types", 1),
        ("server", "/etc/nginx/sites/a.conf", 1),
        ("b", "/opt/b", 2),
    ]


def test_a_dump_without_an_included_file_is_refused() -> None:
    dump = "# configuration file /etc/nginx/nginx.conf:\ninclude mime.types;\n"
    with pytest.raises(Unusable, match="the dump has no file /etc/nginx/mime"):
        load(Source(name="-", text=dump, included=lambda _: []))
