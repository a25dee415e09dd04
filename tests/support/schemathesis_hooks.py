"""What schemathesis cannot know about the task service: its caller is a name that the proxy asserts, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemathesis
from schemathesis.openapi.checks import AuthScenario, IgnoredAuth

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Accept that every well-formed X-User-Id is a user. A request without one must still be refused."""
    return not (isinstance(failure, IgnoredAuth) and failure.scenario is AuthScenario.INVALID_AUTH)
