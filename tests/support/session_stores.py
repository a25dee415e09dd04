"""`decide` driven beside a session store that a test answers for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.decide import decide
from authgate.core.errors import LookupFailed
from authgate.core.lookups import FindSession, RefreshKeys
from tests.support.deciding import request_with
from tests.support.tokens import NOW

if TYPE_CHECKING:
    from authgate.core.decision import Allow, Deny
    from authgate.core.identity import Identity
    from authgate.core.snapshot import Snapshot


@dataclass
class Store:
    """A session store that answers with *identity*, and what it was asked."""

    identity: Identity | LookupFailed | None
    asked: list[FindSession] = field(default_factory=list)


def driven(snapshot: Snapshot, lines: list[tuple[str, str]], store: Store, now: float = NOW) -> Allow | Deny:
    steps = decide(request_with(*lines), snapshot, now)
    try:
        lookup = next(steps)
        while True:
            if isinstance(lookup, RefreshKeys):
                lookup = steps.send(snapshot.issuer(lookup.issuer_name))
                continue
            store.asked.append(lookup)
            failed = isinstance(store.identity, LookupFailed)
            lookup = steps.throw(store.identity) if failed else steps.send(store.identity)
    except StopIteration as done:
        return done.value
