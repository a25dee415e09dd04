"""What the parsers of real servers make of an allowed path is what was decided on. No proxy is involved here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from authgate.core.errors import Refused, Unreadable
from authgate.core.policy import Access, Policy
from tests.support.ruling import asked, policies, policy
from tests.support.servers import AMBIGUITIES, as_tomcat, both_endings, by_starlette, by_urlsplit, canonical
from tests.support.targets import CASES, DOTS, ENDS, SLASHES, TARGETS
from tests.support.worlds import EVERY_READING, IN_WORLD, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.paths import PathReading
    from authgate.core.policies import Policies
    from tests.support.upstreams import Lines

NAMES = st.sampled_from(
    ["/", "/", "/", "/a", "/x", "/admin", "/Admin", "a", "%61dmin", "x", "/%C3%A9", "%20", ".", "~"]
)
ODD = st.sampled_from([*AMBIGUITIES, *SLASHES, *DOTS, *ENDS, *CASES])
PATHS = st.one_of(
    st.sampled_from(TARGETS),
    st.lists(st.one_of(NAMES, NAMES, NAMES, ODD), min_size=1, max_size=7).map(lambda parts: f"/{''.join(parts)}"),
    st.lists(NAMES, min_size=1, max_size=7).map(lambda parts: f"/{''.join(parts).lstrip('/')}"),
    st.text(st.sampled_from("/\\%.;?#aA2fF5cCéx"), max_size=12).map("/{}".format),
).map(lambda target: target.partition("?")[0])
MANY_PATHS = st.lists(PATHS, min_size=5, max_size=15)


def segments(path: str) -> list[str]:
    """Return the segments of a decoded *path*; a slash at its end makes none."""
    return path.removesuffix("/").split("/")[1:]


def served(lines: Lines, paths: Sequence[str]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each path, and what each parser that accepts it makes of it."""
    on_node = lines.ask(read=[path.encode("utf-8", "surrogateescape").decode("latin-1") for path in paths])
    for path, readings in zip(paths, on_node, strict=True):
        made = {name: segments(reading) for name, reading in readings.items() if reading is not None}
        made |= {"urlsplit": by_urlsplit(path), "starlette": by_starlette(path), "parameters": as_tomcat(path)}
        yield path, made


@settings(max_examples=60)
@given(of=IN_WORLD, paths=MANY_PATHS)
def test_what_any_parser_makes_of_an_allowed_path_was_decided_on(
    node_lines: Lines, of: Policies, paths: list[str]
) -> None:
    """The path that a parser serves is one that was read, and it meets the same policy."""
    for path, made in served(node_lines, paths):
        try:
            decided = {each.segments for each in of.reading.read(path)}
        except Refused:
            continue
        assert {name: each for name, each in made.items() if tuple(each) not in decided} == {}, path
        try:
            met = found(of, asked(path))
        except Unreadable:
            continue
        if isinstance(met, Policy):
            for each in made.values():
                endings = both_endings(canonical(each, trailing_slash=path.endswith("/")))
                assert met in {found(of, asked(ending)) for ending in endings}, (path, each)


# Patterns of policies and of Express's handlers alike.
HANDLERS = ("/admin/a", "/admin/**", "/x/admin", "/a/x/**", "/%C3%A9", "/")


@settings(max_examples=60)
@given(paths=MANY_PATHS, reading=EVERY_READING)
def test_the_handler_that_express_chooses_is_the_one_that_was_decided_on(
    node_lines: Lines, paths: list[str], reading: PathReading
) -> None:
    """Express ignores case and a slash at the end."""
    protected = [policy(pattern, pattern) for pattern in HANDLERS]
    of = policies(*protected, policy("open", "/**", Access.PUBLIC), reading=reading)
    urls = [path.encode("utf-8", "surrogateescape").decode("latin-1") for path in paths]
    for path, chosen in zip(paths, node_lines.ask(patterns=HANDLERS, route=urls), strict=True):
        try:
            met = found(of, asked(path))
        except Unreadable:
            continue
        if isinstance(met, Policy):
            handlers = {each for each in chosen.values() if each is not None}
            assert handlers <= {met.name}, path
