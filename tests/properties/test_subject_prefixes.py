"""Prefixes never let one issuer speak for another, not even where a service ignores upper and lower case."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from authgate.config.load import load
from authgate.core.errors import Refused
from authgate.core.identity import Identity
from authgate.core.subjects import with_prefix
from authgate.wiring import prepare
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from authgate.core.snapshot import Issuer

# So few signs that prefixes begin with one another, and ids with prefixes.
PREFIXES = st.lists(st.none() | st.text("aAb:", max_size=3), min_size=2, max_size=4)
IDS = st.text("aAb:", min_size=1, max_size=6)


def issuers_with(prefixes: list[str | None]) -> tuple[Issuer, ...]:
    """Return the issuers of a configuration with these prefixes; none if it is refused."""
    issuers = [
        {"name": f"i{number}", "preset": "jwt", "issuer": f"https://{number}", "audiences": "any"}
        | {"secret": SECRET.decode(), "subject_prefix": prefix}
        for number, prefix in enumerate(prefixes)
    ]
    loaded = load(None, {"AUTHGATE_ISSUERS": json.dumps(issuers)})
    return () if loaded.problems else prepare(loaded).snapshot.issuers


def services_get(issuer: Issuer, user_id: str) -> str | None:
    """Return the id that services get, in lower case; None if the user is refused."""
    try:
        return with_prefix(Identity(issuer=issuer.name, format="jwt", subject=user_id), issuer).subject.lower()
    except Refused:
        return None


@given(prefixes=PREFIXES, data=st.data())
def test_one_id_is_one_person(prefixes: list[str | None], data: st.DataObject) -> None:
    issuers = issuers_with(prefixes)
    assume(issuers)
    one, other = data.draw(st.sampled_from(issuers)), data.draw(st.sampled_from(issuers))
    id_of_one, id_of_other = data.draw(IDS), data.draw(IDS)
    assume(services_get(one, id_of_one) is not None)
    same_people = one is other or one.subject_prefix == other.subject_prefix == ""
    is_same = services_get(one, id_of_one) == services_get(other, id_of_other)
    assert is_same == (same_people and id_of_one.lower() == id_of_other.lower())


@given(prefixes=PREFIXES)
def test_a_configuration_that_leaves_it_open_who_a_user_is_does_not_load(prefixes: list[str | None]) -> None:
    some = [prefix.lower() for prefix in prefixes if prefix]
    clash = any(one.startswith(other) for at, one in enumerate(some) for to, other in enumerate(some) if at != to)
    assert bool(issuers_with(prefixes)) is not (clash or None in prefixes[1:])
