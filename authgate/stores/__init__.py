"""Session stores as the configuration names them. Each has its settings and everything about them in its own file.

To add a store, add its file, with a `Store` in it, and a row to STORES.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, create_model

from authgate.config._types import Seconds, Settings
from authgate.stores import http, postgres, redis

if TYPE_CHECKING:
    from authgate.stores.store import Store

# By the name of the setting in `sessions`.
STORES: dict[str, Store] = {
    "http": http.STORE,
    "postgres": postgres.STORE,
    "redis": redis.STORE,
}


class SessionsSettings(Settings):
    """What the settings of all session stores have in common."""

    check: Literal["fallback", "always", "never"] = "fallback"
    """fallback: look up a session in the store if its cookies hold no valid data, as Better Auth does. always: look up
    every session, so that a sign-out takes effect within cache_seconds. never: there is no store."""
    cache_seconds: Seconds = Field(default=5, ge=0, le=60)
    """0 to 60. How long to cache an answer of the store. 0: look up the session of every request."""

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores that are set: at most one in a valid configuration."""
        return tuple(name for name in STORES if self.group(name) is not None)

    def group(self, name: str) -> Settings | None:
        """Return the settings of the store called *name*, None if it is not set."""
        group: Settings | None = getattr(self, name)
        return group


if TYPE_CHECKING:
    SessionsConfig = SessionsSettings
else:
    SessionsConfig = create_model(
        "SessionsConfig",
        __base__=SessionsSettings,
        __doc__=f"The session store, which knows whether a session still exists: one of {', '.join(STORES)}.",
        **{name: (store.settings | None, Field(default=None, description=None)) for name, store in STORES.items()},
    )
