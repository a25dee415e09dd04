"""Random sets of policies, what a request meets among them, and who may make it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from authgate.core.decision import Allow
from authgate.core.errors import Refused
from authgate.core.overlap import covers, overlaps
from authgate.core.paths import PathReading
from authgate.core.policy import Access
from tests.support.deciding import decide_now, make_snapshot
from tests.support.ruling import asked, policies, policy, rule
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from authgate.core.policies import Policies
    from authgate.core.policy import Policy
    from authgate.core.reasons import Reason
    from authgate.core.request import Request

READINGS = [PathReading(encoded_slash_is_data=slash, semicolon_is_data=semi) for slash in (0, 1) for semi in (0, 1)]
EVERY_READING = st.sampled_from(READINGS)

# Policies that tell many paths apart. Those in the first half protect.
FOR_ADMINS = rule({"roles": {"any_of": ["admin"]}})
WORLD = [
    *(policy(path, path, rule=FOR_ADMINS) for path in ("/admin/**", "/a/admin", "/*/x/**", "/A/**", "/x/*/admin")),
    *(policy(path, path) for path in ("/Admin", "/**", "/a/x/")),
    *(policy(f"open {path}", path, Access.PUBLIC) for path in ("/**", "/a/*", "/admin/a", "/ADMIN/", "/x/**", "/*")),
    *(policy(f"optional {path}", path, Access.OPTIONAL) for path in ("/", "/a/**", "/x/*/")),
]
IN_WORLD = st.builds(
    lambda chosen, reading: policies(*chosen, reading=reading),
    st.lists(st.sampled_from(WORLD), unique_by=id, min_size=2, max_size=8),
    EVERY_READING,
)


def found(of: Policies, request: Request) -> Policy | Reason:
    try:
        return of.find(request)[0]
    except Refused as refused:
        return refused.reason


# The users, with their roles.
USERS = {"nobody": (), "member": ["member"], "admin": ["admin"]}


@cache
def _token(user: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {mint(claims(roles=USERS[user]))}")


def allowed(of: Policies, path: str) -> dict[str, bool]:
    """Return who may ask for *path*."""
    snapshot = make_snapshot(policies=of)
    lines = {user: (_token(user),) if user != "nobody" else () for user in USERS}
    return {user: isinstance(decide_now(asked(path, *lines[user]), snapshot), Allow) for user in USERS}


def is_exception(before: Policy, later: Policy) -> bool:
    """Whether *before* opens a part of *later*, and `authgate check` has nothing to warn about."""
    return (
        later.access is not Access.REQUIRE
        or not overlaps(before.match, later.match)
        or covers(later.match, before.match)
    )


def without_surprises(of: Policies) -> Policies:
    """Return the policies of *of* that `authgate check` does not warn of, and a last one that protects the rest."""
    sound = [
        each
        for at, each in enumerate(of.policies)
        if each.access is Access.REQUIRE or all(is_exception(each, later) for later in of.policies[at:])
    ]
    return policies(*sound, policy("last", "/**"), reading=of.reading)


def assert_no_spelling_is_allowed_more(of: Policies, path: str) -> None:
    """Assert that other spellings of *path*, if it is protected, are allowed no more than *path*, except by exceptions.

    *of* is one of `without_surprises`.
    """
    met = found(of, asked(path))
    if isinstance(met, str) or met.access is not Access.REQUIRE:  # refused, or not protected
        return
    may = allowed(of, path)
    for spelled in {path.upper(), path.lower(), f"{path.rstrip('/')}/"} - {path}:
        other = found(of, asked(spelled))
        if any(may_here and not may[user] for user, may_here in allowed(of, spelled).items()):
            assert not isinstance(other, str)
            assert other.access is not Access.REQUIRE
            assert covers(met.match, other.match)
