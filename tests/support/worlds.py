"""Random sets of policies, and what a request meets among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from authgate.core.errors import Refused
from authgate.core.paths import PathReading
from authgate.core.policy import Access, Policies
from tests.support.ruling import policies, policy, rule

if TYPE_CHECKING:
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
