"""What schemathesis does for the task service beyond its options. It loads this file in its own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemathesis
from schemathesis.openapi.checks import AuthScenario, IgnoredAuth

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure
    from schemathesis.schemas import BaseSchema


@schemathesis.hook
def after_load_schema(context: HookContext, schema: BaseSchema) -> None:
    """Reject a document that is not valid OpenAPI. Schemathesis itself checks only the parts that it uses."""
    schema.validate()


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Accept that every well-formed X-User-Id is a user: it is a name, no secret. A request without it is refused."""
    return not (isinstance(failure, IgnoredAuth) and failure.scenario is AuthScenario.INVALID_AUTH)
