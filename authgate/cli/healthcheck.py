"""`authgate healthcheck`: asks a running AuthGate whether it is ready. For containers without curl."""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Any

import click

from authgate.cli._admin import NoAnswerError, ask_admin
from authgate.cli._configuration import config_option, probed_or_exit
from authgate.cli._terminal import print_line, print_text
from authgate.core import strict_json

# For the whole command. Less than 5 s, after which the image's HEALTHCHECK is killed and prints nothing. More than 2 s,
# within which AuthGate reads its certificate files again.
DEADLINE_SECONDS = 4.5
# Five thousand issuers that each say why they are not ready.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
_MAX_BRACKETS = 20_000


@click.command("healthcheck", short_help="Ask whether a running AuthGate is ready.")
@config_option
def command(config_path: str | None) -> None:
    """Ask the admin port of the running AuthGate whether it is ready.

    Exits with 0 if it is ready, 1 if it is not or does not answer within 4.5 seconds.
    """
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    admin = probed_or_exit(config_path)
    try:
        status, body = ask_admin(admin, "/readyz", give_up_at, MAX_ANSWER_BYTES)
        answer = _answer(body, f"the server at {admin.listen} is not an AuthGate (it answers {status})")
    except NoAnswerError as error:
        print_line(str(error), err=True)
        sys.exit(1)
    print_text(f"{json.dumps(answer)}\n")
    sys.exit(0 if status == http.client.OK and answer["ready"] else 1)


def _answer(body: str, says: str) -> dict[str, Any]:
    """Return the JSON object that AuthGate answers. Raises `NoAnswerError`, which *says* so, if it is none."""
    try:
        answer = strict_json.parse(body, max_brackets=_MAX_BRACKETS)
    except ValueError as error:
        raise NoAnswerError(f"{says}: {error}") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("ready"), bool):
        raise NoAnswerError(f"{says}: the member ready is missing")
    return answer
