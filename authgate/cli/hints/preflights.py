"""A hint about preflights, which browsers send before a page may call another origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.cli.hints.spelling import difference
from authgate.core.cors import preflight_method
from authgate.core.quoting import escaped

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case


def origin_not_allowed(case: Case) -> str:
    """Say that the policy does not allow the origin of a preflight. A sign-in does not change that."""
    method = preflight_method(case.request)
    if not method or case.policy is None:
        return ""
    (origin,) = case.request.headers.getall("origin", ())
    allowed = sorted(case.policy.cors.allowed_origins)
    near = next(
        (f" {other} is: they differ in {what}." for other in allowed if (what := difference(origin, other))), ""
    )
    return (
        f"A browser asks with this preflight whether a page of {escaped(origin)} may send {method}. The origin is not "
        f"in `cors.allowed_origins` of policy {case.policy.name}.{near} If the page is yours, add its origin there. A "
        "policy without `cors` takes the one at the top."
    )
