"""What a check of a proxy's deployed files reads and returns. `authgate proxy --check` prints the findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


# A longer list of headers is cut short. Its fix is to generate the file again.
_MAX_NAMES = 10
_SHOWN_NAMES = 4
UNVERIFIED = (
    "the certificate of AuthGate is not verified: another server can answer instead of it, and allow any request"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file that is checked, or a folder, which has no *text* of its own.

    *included* returns the name and the text of each file that a pattern names. It raises `Unusable` if it cannot read a
    file, or if the pattern names a file that does not exist.
    """

    name: str
    text: str
    included: Callable[[str], Sequence[tuple[str, str]]]
    is_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a file. *subject* names the part of it: "location /api/".

    *line* is None in a file that was made from yours: then the subject alone says where it is.

    *message* and *fix* do not name the subject, so that the same finding about several subjects is printed once.
    """

    file: str
    line: int | None
    subject: str
    message: str
    fix: str
    is_error: bool = True


class Unusable(Exception):
    """The file cannot be checked: it cannot be read, or it breaks the rules of its syntax."""

    def __init__(self, file: str, line: int | None, message: str) -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {message}")


def generate(proxy: str) -> str:
    """Return the command that generates the files of *proxy* again."""
    return f"authgate proxy {proxy} --config authgate.yaml --output FOLDER"


def quoted(names: Iterable[str]) -> str:
    """Return *names*, each in quotes."""
    return ", ".join(f'"{name}"' for name in names)


def named(names: Sequence[str]) -> str:
    """Return *names* as a list in words; a long list is cut short."""
    if len(names) > _MAX_NAMES:
        return f"{', '.join(names[:_SHOWN_NAMES])} and {len(names) - _SHOWN_NAMES} more headers"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def reaching(names: Sequence[str]) -> str:
    """Return the sentence that the headers *names* are not removed."""
    if len(names) == 1:
        return f"{names[0]} reaches the upstream as the client sent it"
    return f"{named(names)} reach the upstream as the client sent them"
