"""What a kind of session store is: its settings, how they are read, and how the store is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from authgate.config import _secrets
from authgate.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from authgate.config._types import Settings
    from authgate.sessions import SessionStore
    from authgate.sessions.layouts import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStore:
    """A session store and how to ask it. *kind* is its name in `STORES`, *address* what that kind needs to connect.

    *where* is the address without user, password and query, for people; *warning* is for the start-up log.
    *joins_member*: the store also reads the table of members.
    """

    kind: str
    address: Any = field(repr=False)
    check: Literal["fallback", "always"]
    cache_seconds: float
    where: str = ""
    warning: str | None = None
    joins_member: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What every check of a store needs.

    *issuer* is the place of the issuer in the configuration, such as `issuers[0]`, and *group* the name of the store.
    *layouts* are the tables of the issuer's library, without and with snake_case. *names_cookies*: the names of the
    session cookies are known. *is_alone*: no other store is set. *wrong* are the settings of the issuer that are wrong
    by themselves. Problems are added to *problems*.
    """

    issuer: str
    group: str
    environ: Mapping[str, str]
    problems: list[Problem]
    wrong: frozenset[str]
    layouts: tuple[Layout, Layout]
    allow_http: bool = False
    ca_file: str | None = None
    names_cookies: bool = True
    is_alone: bool = True
    check: Literal["fallback", "always"] = "fallback"
    cache_seconds: float = 5

    @property
    def setting(self) -> str:
        """The place of the store's settings."""
        return f"{self.issuer}.sessions.{self.group}"

    def report(self, name: str, message: str, fix: str) -> None:
        """Add the problem of the setting *name* of the store, "" for all of them."""
        self.add(f"{self.setting}.{name}" if name else self.setting, message, fix)

    def add(self, setting: str, message: str, fix: str) -> None:
        """Add the problem of the setting with this full name."""
        self.problems.append(Problem(setting=setting, message=message, fix=fix))

    def loaded(self, address: object, where: str, warning: str | None = None) -> LoadedStore:
        """Return the store at *address*."""
        return LoadedStore(
            kind=self.group,
            address=address,
            check=self.check,
            cache_seconds=self.cache_seconds,
            where=where,
            warning=warning,
        )

    def addresses(self, group: BaseModel, name: str) -> list[tuple[str, str]]:
        """Return every address that *group* gives as *name*, `name_file` and `name_env`, each with its setting.

        There should be exactly one.
        """
        names = (name, f"{name}_file", f"{name}_env")
        wrong = {path.removeprefix(f"sessions.{self.group}.") for path in self.wrong}
        given = [one for one in names if getattr(group, one) is not None or one in wrong]
        if len(given) != 1:
            message = f"needs exactly one of {name}, {name}_file and {name}_env"
            self.report("", message, f"set one of them, for example {name}_file" if not given else "keep one")
        return _secrets.addresses(group, name, self.setting, self.environ, self.problems)

    def check_package(self, package: str) -> None:
        """Add a problem if the Python *package* that the store needs is not installed."""
        if find_spec(package) is None:
            message = f"needs the Python package {package}, which is not installed"
            self.report("", message, f"in a clone: pip install '.[{self.group}]'; the image has it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A kind of session store.

    *settings* is the model of `sessions.<name>`. *read* returns the store of such settings, or None and problems.
    *make* returns the store of what `read` returned, given the full name of the session cookie; it opens no connection.
    *has_members*: it can read Better Auth's table of members.
    """

    settings: type[Settings]
    read: Callable[[Reading, Any], LoadedStore | None]
    make: Callable[[LoadedStore, str], SessionStore]
    has_members: bool = False
