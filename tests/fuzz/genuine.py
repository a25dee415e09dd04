"""Genuine tokens of tests/vectors, each in the request that it was sent with, for targets that change them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from authgate.core.decision import Allow, Deny
from authgate.core.reasons import REASONS
from tests.support.deciding import request_with
from tests.support.vectors import driven, prepared

if TYPE_CHECKING:
    from authgate.core.snapshot import Snapshot

_FOLDER = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True, slots=True)
class Genuine:
    """The *token* of the vector called *name*. *before* and *after* are the rest of the header that it was sent in."""

    name: str
    header: str
    before: str
    token: str = field(repr=False)
    after: str
    snapshot: Snapshot = field(repr=False)
    now: float

    def decide(self, token: str) -> Allow | Deny:
        """Return the decision on the same request with *token*, which must be the same at the second time."""
        request = request_with((self.header, f"{self.before}{token}{self.after}"))
        first, second = (driven(request, self.snapshot, self.now, lambda _: None) for _ in range(2))
        assert type(first) is type(second)
        if isinstance(first, Deny):
            assert len(first.detail) < 1000
            assert first.detail.isprintable()
            assert 400 <= REASONS[first.reason].status <= 503
        else:
            assert all(value.isascii() and value.isprintable() for _, value in first.headers)
        return first


def genuine(name: str) -> Genuine:
    """Return the token of the vector called *name*: in Authorization, or in its last cookie."""
    case = json.loads((_FOLDER / f"{name}.json").read_bytes())
    with TemporaryDirectory() as folder:
        _, snapshot = prepared(case, Path(folder))
    headers = case["request"]["headers"]
    header = "authorization" if "authorization" in headers else "cookie"
    parts = re.fullmatch(r"(Bearer |.*[ .]session[_-](?:data|token)=)(\S+?)((?:;.*)?)", headers[header])
    assert parts is not None, name
    made = Genuine(name, header, parts[1], parts[2], parts[3], snapshot, case["verify_at"])
    assert isinstance(made.decide(made.token), Allow), name
    return made


def may_stand_alone(token: str) -> bool:
    """Whether *token* is one value, in a cookie and in Authorization: without what ends, quotes or follows a value."""
    return not re.search(r'[\s;,"\x00-\x1f\x7f]', token) and not token.lower().startswith("bearer")
