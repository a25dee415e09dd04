"""A person whose last visit to the example stack was two days ago."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from tests.support.waiting import until

if TYPE_CHECKING:
    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor

SESSION_COOKIE = "better-auth.session_token"
DAY = 86_400
NOT_RENEWED = 5 * DAY
# What a row of the table `session` had then.
LAST_VISIT = """ "expiresAt" = now() + interval '5 days', "updatedAt" = now() - interval '2 days' """


class AgedSession:
    """The session of *person*, in the database and in the browser. It ends in five days."""

    def __init__(self, stack: Stack, person: Visitor, email: str) -> None:
        self._stack, self._person = stack, person
        self._where = f"""WHERE "userId" = (SELECT id FROM "user" WHERE email = '{email}')"""
        cookie = self._cookie()
        cookie["expires"] = time.time() + NOT_RENEWED
        person.context.add_cookies([cookie])
        person.context.clear_cookies(name=re.compile("session_data"))  # it has expired
        stack.postgres.execute(f"UPDATE session SET {LAST_VISIT} {self._where}")

    def _cookie(self) -> Any:
        (cookie,) = [cookie for cookie in self._person.context.cookies() if cookie["name"] == SESSION_COOKIE]
        return cookie

    def in_the_database(self) -> float:
        """Return in how many seconds the session ends."""
        left = f"""SELECT extract(epoch FROM "expiresAt" - now()) FROM session {self._where}"""
        return float(self._stack.postgres.execute(left))

    def in_the_browser(self) -> float:
        """Return in how many seconds the browser deletes the cookie."""
        return float(self._cookie()["expires"]) - time.time()

    def is_renewed(self) -> bool:
        return all(left > 6.9 * DAY for left in (self.in_the_database(), self.in_the_browser()))

    def waits_for_renewal(self) -> None:
        until(self.is_renewed, pause_seconds=0.2)
