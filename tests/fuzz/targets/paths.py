"""Paths and patterns. The input: a line that chooses policies, then a path, which is tried as a pattern, too.

The first character of the line chooses how to read paths; each of the others adds a policy of tests/support/worlds.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.errors import Refused, Unreadable
from authgate.core.paths import Path, PathReading, parse_pattern
from authgate.core.policy import Policy
from authgate.core.reasons import Reason
from tests.fuzz.inputs import chosen, lines_of, received
from tests.support.ruling import asked, policies
from tests.support.servers import AMBIGUITIES, both_endings, canonical, paths_served
from tests.support.worlds import (
    READINGS,
    WORLD,
    allowed,
    assert_no_spelling_is_allowed_more,
    found,
    without_surprises,
)

if TYPE_CHECKING:
    from authgate.core.policies import Policies

WORDS = (
    *(ambiguity.encode("utf-8", "surrogateescape") for ambiguity in AMBIGUITIES),
    *(b"/admin", b"/Admin", b"/a", b"/A", b"/x", b"/%61dmin", b"%41", b"%C3%A9", b"/**", b"/*", b"{subject}"),
)


def check(data: bytes) -> None:
    first, *rest = lines_of(data)
    reading = chosen(first[:1], READINGS)
    listed = dict.fromkeys(chosen(first[at : at + 1], range(len(WORLD))) for at in range(1, min(len(first), 8)))
    of = policies(*(WORLD[at] for at in listed), reading=reading)
    text = received(b"\n".join(rest))
    _check_pattern(text)
    readings = _read(reading, text)
    try:
        request = asked(text)
    except Unreadable:
        return
    met = found(of, request)
    if readings is None:
        assert met is Reason.AMBIGUOUS_PATH or not of.reads_paths
    elif isinstance(met, Policy) and "?" not in text:
        _check_meeting(of, met, text, readings[0])


def _read(reading: PathReading, path: str) -> tuple[Path, ...] | None:
    """Return the readings of *path*, None if it is refused. Anything else that is raised is a finding."""
    try:
        return reading.read(path.partition("?")[0])
    except Refused:
        return None


def _check_meeting(of: Policies, met: Policy, path: str, read: Path) -> None:
    """The policy that *path* meets is that of its one spelling, and of whatever a server serves for it."""
    plain = canonical(list(read.segments), trailing_slash=read.trailing_slash)
    if of.reads_paths:
        assert of.reading.read(plain)[0] == read
        assert found(of, asked(plain)) is met
        assert allowed(of, plain) == allowed(of, path)
        for served in paths_served(path, slash_is_data=of.reading.encoded_slash_is_data):
            assert met in {found(of, asked(served)) for served in both_endings(served)}, served
    assert_no_spelling_is_allowed_more(without_surprises(of), plain)


def _check_pattern(text: str) -> None:
    """A text is a pattern that matches what it says, or a ValueError for the operator."""
    refusal = ""
    try:
        pattern = parse_pattern(text)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert refusal.isprintable()
        return
    segments = [segment for segment in pattern.segments if isinstance(segment, str)]
    if len(segments) == len(pattern.segments):
        reading = PathReading(encoded_slash_is_data=True, semicolon_is_data=True)
        plain = reading.read(canonical(segments, trailing_slash=pattern.trailing_slash))[0]
        assert pattern.matches(plain, exactly=True)
