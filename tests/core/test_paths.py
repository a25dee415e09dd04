"""The one reading of a path, and the patterns that it is compared with."""

from __future__ import annotations

import contextlib
import re
import tracemalloc

import pytest

from authgate.core import paths
from authgate.core.errors import Refused
from authgate.core.paths import Path, PathReading, fold, parse_pattern
from authgate.core.reasons import Reason
from tests.support.ruling import count_calls

REFUSING = PathReading()
SLASH = PathReading(encoded_slash_is_data=True)
SEMICOLON = PathReading(semicolon_is_data=True)
BOTH = PathReading(encoded_slash_is_data=True, semicolon_is_data=True)
EVERY_READING = (REFUSING, SLASH, SEMICOLON, BOTH)


def read(path: str, reading: PathReading = REFUSING) -> Path:
    return reading.read(path)[0]


@pytest.mark.parametrize(
    ("path", "segments", "trailing_slash"),
    [
        ("/", (), False),
        ("/a", ("a",), False),
        ("/a/", ("a",), True),
        ("/a/b.c/d", ("a", "b.c", "d"), False),
        ("/Admin/%41dmin", ("Admin", "Admin"), False),
        ("/%61%64min/", ("admin",), True),
        ("/a%20b", ("a b",), False),
        ("/caf%C3%A9", ("café",), False),
        ("/caf%c3%a9", ("café",), False),
        ("/a%23b", ("a#b",), False),
        ("/100%25", ("100%",), False),
        ("/%25zz", ("%zz",), False),
        ("/.well-known/..a/b..", (".well-known", "..a", "b.."), False),
        ("/%2ewell-known", (".well-known",), False),
        ("/a+b", ("a+b",), False),
        ("/{a}|^b", ("{a}|^b",), False),
        ("/%E2%84%AAelvin", ("\u212aelvin",), False),
    ],
)
def test_a_path_has_one_list_of_decoded_segments(path: str, segments: tuple[str, ...], *, trailing_slash: bool) -> None:
    for reading in EVERY_READING:
        (only,) = reading.read(path)
        assert only == Path(segments, tuple(fold(segment) for segment in segments), trailing_slash)


AMBIGUOUS = {
    "empty segment": ("//", "//a", "/a//b", "/a//", "/a///"),
    "dot segment": ("/.", "/..", "/a/./b", "/a/../b", "/a/..", "/%2e", "/a/%2E%2e/b", "/.%2e/a", "/a/../"),
    "backslash": ("/a%5Cb", "/a%5cb", "/%5c", "/a/..%5cb"),
    "control character": ("/%00", "/a%0Ab", "/a%0d", "/a%7F", "/a%C2%80", "/a%c2%9f", "/a%09b"),
    "not UTF-8": ("/%FF", "/%C0%AF", "/%c0%ae%c0%ae", "/%E0%80%AF", "/%ED%A0%80", "/%C3", "/%C3/%A9", "/%F4%90%80%80"),
    "not ASCII": ("/café", "/caf\udcc3\udca9", "/a\udcff", "/\ud800", "/\udc00", "/\u212aelvin"),
    "encoded twice": ("/%2541", "/%252f", "/%252e%252e", "/%25%32%66", "/%255c", "/%25ff"),
    "hexadecimal": ("/%", "/a%2", "/%zz", "/%u0061", "/%%41", "/%2%35"),
    "question mark": ("/a%3Fb", "/%3f"),
    "a #": ("/a#b",),
}  # fmt: skip


@pytest.mark.parametrize("reading", EVERY_READING)
@pytest.mark.parametrize(("cause", "path"), [(cause, path) for cause, several in AMBIGUOUS.items() for path in several])
def test_an_ambiguous_path_is_refused_and_the_cause_is_named(cause: str, path: str, reading: PathReading) -> None:
    with pytest.raises(Refused) as refused:
        reading.read(path)
    assert refused.value.reason is Reason.AMBIGUOUS_PATH
    assert cause in refused.value.detail


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        *((path, "paths.encoded_slash") for path in ("/a%2Fb", "/a%2fb", "/%2f", "/a%2F..%2Fb")),
        *((path, "paths.semicolon") for path in ("/a;b", "/a%3Bb", "/a%3bb", "/;", "/a;x=1/b", "/a/..;/b")),
    ],
)
def test_slashes_and_semicolons_in_a_segment_are_refused_with_the_setting_that_accepts_them(
    path: str, setting: str
) -> None:
    with pytest.raises(Refused) as refused:
        REFUSING.read(path)
    assert refused.value.reason is Reason.AMBIGUOUS_PATH
    assert setting in refused.value.detail


@pytest.mark.parametrize(
    ("reading", "path", "others"),
    [
        (SLASH, "/a%2Fb", {("a/b",), ("a", "b")}),
        (SLASH, "/a%2f", {("a/",), ("a",)}),
        (SEMICOLON, "/a;x=1/b", {("a;x=1", "b"), ("a", "b")}),
        (SEMICOLON, "/a%3Bx/b", {("a;x", "b"), ("a", "b")}),
        (SEMICOLON, "/a;b%3Bc", {("a;b;c",), ("a",)}),
        (BOTH, "/a;b%2Fc", {("a;b/c",), ("a",), ("a;b", "c"), ("a", "c")}),
        (BOTH, "/a%2Fb;c", {("a/b;c",), ("a/b",), ("a", "b;c"), ("a", "b")}),
        # A server that cuts parameters off before it decodes slashes reads /a/b, one that decodes first reads /a/b/d.
        (BOTH, "/a%2Fb;c%2Fd", {("a/b;c/d",), ("a/b",), ("a", "b;c", "d"), ("a", "b"), ("a", "b", "d")}),
        (BOTH, "/a%2Fb%3Bc%2Fd", {("a/b;c/d",), ("a/b",), ("a", "b;c", "d"), ("a", "b"), ("a", "b", "d")}),
        (BOTH, "/a;b%3Bc%2Fd", {("a;b;c/d",), ("a;b;c", "d"), ("a",), ("a", "d")}),
    ],
)  # fmt: skip
def test_a_path_with_data_also_has_the_readings_of_other_servers(
    reading: PathReading, path: str, others: set[tuple[str, ...]]
) -> None:
    readings = reading.read(path)
    assert {other.segments for other in readings} == others
    assert readings[0].segments == tuple(paths._unquote(raw) for raw in path[1:].split("/"))


@pytest.mark.parametrize(
    ("reading", "path"),
    [
        *((SLASH, path) for path in ("/%2F", "/a%2F%2Fb", "/a%2F..%2Fb", "/a%2F%2E%2E", "/..%2fa", "/a%2F/b", "/%2fa")),
        *((SEMICOLON, path) for path in ("/;x/a", "/a/;/b", "/..;/a", "/a/..;x=1/b", "/%2e%2e%3b/a", "/.;/a")),
        *((BOTH, path) for path in ("/a%2F..;%2Fb", "/a%2f;%2fb", "/a;%2f..%2fb", "/a%2F..%3bx")),
    ],
)
def test_data_does_not_hide_dot_segments_and_empty_ones(reading: PathReading, path: str) -> None:
    with pytest.raises(Refused) as refused:
        reading.read(path)
    assert refused.value.reason is Reason.AMBIGUOUS_PATH


def test_only_short_paths_are_cached_and_only_so_many() -> None:
    paths._read_cached.cache_clear()
    for number in range(2 * paths._MAX_CACHED_PATHS):
        REFUSING.read(f"/items/{number}")
    assert paths._read_cached.cache_info().currsize == paths._MAX_CACHED_PATHS
    paths._read_cached.cache_clear()
    REFUSING.read("/" + "a" * paths._MAX_CACHED_CHARACTERS)
    assert paths._read_cached.cache_info().currsize == 0


def test_the_cache_stays_small_whatever_the_paths_are() -> None:
    paths._read_cached.cache_clear()
    tracemalloc.start()
    try:
        for number in range(16):
            path = f"/%C3%A9{number}%2fx;y%2fz%3bq" + "".join(f"/{number + at:x}" for at in range(100))
            BOTH.read(path[: paths._MAX_CACHED_CHARACTERS])
        assert tracemalloc.get_traced_memory()[0] * paths._MAX_CACHED_PATHS / 16 < 16_000_000
    finally:
        tracemalloc.stop()
        paths._read_cached.cache_clear()


@pytest.mark.parametrize("part", ["a;%2f", "a%2f", "a;", "a%3b%2f"])
def test_a_path_with_several_readings_has_a_bounded_length(part: str) -> None:
    longest = paths.MAX_SEVERAL_READINGS_CHARACTERS
    path = "/" + part * ((longest - 2) // len(part))
    assert BOTH.read(path.ljust(longest, "a"))
    with pytest.raises(Refused) as refused:
        BOTH.read(path.ljust(longest + 1, "a"))
    assert refused.value.reason is Reason.AMBIGUOUS_PATH


@pytest.mark.parametrize("part", ["a", "a/", "%61", "%C3%A9"])
def test_every_path_has_a_bounded_length(part: str) -> None:
    path = "/" + part * ((paths.MAX_CHARACTERS - 1) // len(part))
    for reading in (REFUSING, BOTH):
        assert reading.read(path.ljust(paths.MAX_CHARACTERS, "a"))
        with pytest.raises(Refused) as refused:
            reading.read(path.ljust(paths.MAX_CHARACTERS + 1, "a"))
        assert refused.value.reason is Reason.AMBIGUOUS_PATH


@pytest.mark.parametrize("part", ["a;%2f", "a%2f", "a;", "a%3b%2f", "a/", "%61/", "%C3%A9%2f", "a;x%2fb/"])
def test_reading_a_long_path_takes_work_that_grows_with_its_length_alone(part: str) -> None:
    has_several = {*part} & {*";2"}
    longest = paths.MAX_SEVERAL_READINGS_CHARACTERS if has_several else paths.MAX_CHARACTERS
    sizes = (longest // 4, longest - 8)
    short, long = (f"/{part * (size // len(part))}a" for size in sizes)
    for path in (short, long):
        assert all(reading.segments for reading in BOTH.read(path))
    calls = [count_calls(lambda path=path: BOTH.read(path)).total() for path in (short, long)]
    assert calls[1] <= 5 * calls[0]


def test_folding_changes_ascii_letters_alone() -> None:
    assert fold("AbZ-É\u212a\u0130ß") == "abz-É\u212a\u0130ß"


@pytest.mark.parametrize(
    ("pattern", "path", "folded", "exact"),
    [
        ("/", "/", True, True),
        ("/", "/a", False, False),
        ("/**", "/", True, True),
        ("/**", "/a/b/", True, True),
        ("/a", "/a", True, True),
        ("/a", "/a/", True, False),
        ("/a/", "/a", True, False),
        ("/a/", "/a/", True, True),
        ("/a", "/A", True, False),
        ("/A", "/a", True, False),
        ("/A", "/A", True, True),
        ("/a", "/%61", True, True),
        ("/%61", "/a", True, True),
        ("/a", "/ab", False, False),
        ("/a", "/a/b", False, False),
        ("/a/b", "/a", False, False),
        ("/a/**", "/a", True, True),
        ("/a/**", "/a/", True, True),
        ("/a/**", "/a/b/c/", True, True),
        ("/a/**", "/A/b", True, False),
        ("/a/**", "/ab", False, False),
        ("/a/**", "/", False, False),
        ("/a/*", "/a/b", True, True),
        ("/a/*", "/a/b/", True, False),
        ("/a/*/", "/a/b/", True, True),
        ("/a/*", "/a", False, False),
        ("/a/*", "/a/", False, False),
        ("/a/*", "/a/b/c", False, False),
        ("/*/b", "/x/b", True, True),
        ("/*/b", "/b", False, False),
        ("/{subject}/b", "/anyone/b", True, True),
        ("/{subject}/b", "/anyone/B", True, False),
        ("/a/*/**", "/a", False, False),
        ("/a/*/**", "/a/b", True, True),
        ("/a.b", "/aXb", False, False),
        ("/a+", "/aa", False, False),
        ("/%2A", "/*", True, True),
        ("/%2A", "/a", False, False),
        ("/%7Bsubject%7D", "/{subject}", True, True),
        ("/%7Bsubject%7D", "/user-1", False, False),
        ("/café", "/caf%C3%A9", True, True),
        ("/CAFÉ", "/caf%C3%A9", False, False),
        ("/k", "/%E2%84%AA", False, False),
    ],
)  # fmt: skip
def test_a_pattern_is_compared_segment_by_segment(pattern: str, path: str, *, folded: bool, exact: bool) -> None:
    assert parse_pattern(pattern).matches(read(path), exactly=False) is folded
    assert parse_pattern(pattern).matches(read(path), exactly=True) is exact


def test_the_fields_of_a_pattern_come_with_their_segments_as_they_were_written() -> None:
    pattern = parse_pattern("/files/{subject}/*/{email}/**")
    path = read("/FILES/User%2D1/x/a@b.example/more")
    assert list(pattern.fields(path)) == [("subject", "User-1"), ("email", "a@b.example")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "write /a"),
        ("", "does not begin with a slash"),
        ("**", "does not begin with a slash"),
        ("^/a$", "regular expression"),
        ("/a/.*", "regular expression"),
        ("https://app.example.com/a", "does not begin with a slash"),
        ("/a?b", "a pattern is a path alone"),
        ("/a#b", "a pattern is a path alone"),
        ("//", "empty segment"),
        ("//**", "empty segment"),
        ("//a", "empty segment"),
        ("/a//b", "empty segment"),
        ("/a//", "empty segment"),
        ("/a//**", "empty segment"),
        ("/a/**/b", "at the end only"),
        ("/a**", "at the end only"),
        ("/**/", "at the end only"),
        ("/a*", "encode a literal one"),
        ("/*.js", "encode a literal one"),
        ("/{subject}x", "encode a literal one"),
        ("/{subject", "encode a literal one"),
        ("/{roles}", "is not one of {subject}"),
        ("/{}", "is not one of {subject}"),
        ("/{Subject}", "is not one of {subject}"),
        ("/a/../b", "dot segment"),
        ("/%2e", "dot segment"),
        ("/a%2541", "encoded twice"),
        ("/a%5cb", "backslash"),
        ("/a\\b", "backslash"),
        ("/a%", "hexadecimal"),
        ("/%ff", "not UTF-8"),
        ("/a%00", "control character"),
        ("/a%3fb", "question mark"),
    ],
)
def test_a_pattern_that_no_path_or_not_the_meant_one_can_match_is_rejected(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_pattern(text)


def test_the_message_about_a_pattern_holds_no_control_character() -> None:
    with pytest.raises(ValueError, match="write /") as rejected:
        parse_pattern("\x1b[31madmin")
    assert str(rejected.value).isprintable()


@pytest.mark.parametrize("code_point", [0, 0x202E, 0xD800, 0xDC80, 0xDCFF, 0xFFFF, 0x10FFFF])
def test_nothing_but_a_refusal_or_a_value_error_is_raised(code_point: int) -> None:
    for call in (*(reading.read for reading in EVERY_READING), parse_pattern):
        with contextlib.suppress(Refused, ValueError):
            call(f"/{chr(code_point)}/a")
