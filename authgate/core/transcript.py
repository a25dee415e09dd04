"""The transcript of a decision: its checks, in order. `authgate explain` prints them; the log has the one that failed.

The checks of most requests are never read. So a check is recorded as its *step*, a plain tuple, and becomes a `Check`
with its text when somebody reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, overload

from authgate.core.decision import Check
from authgate.core.errors import detail_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.errors import Detail
    from authgate.core.rules import Finding


class Failed:
    """The step of a check that failed. *finding* is that of a rule; None for other checks."""

    __slots__ = ("_check", "detail", "finding", "name")

    def __init__(self, name: str, detail: Detail, finding: Finding | None) -> None:
        self.name = name
        self.detail = detail
        self.finding = finding
        self._check: Check | None = None

    def check(self) -> Check:
        """Return the check. Its text is made once: the log reads it more than once."""
        if self._check is None:
            self._check = Check(self.name, passed=False, detail=detail_text(self.detail), finding=self.finding)
        return self._check


# A check; or one that failed; or one that passed: its name, then its detail, or a function that returns the detail and
# what it takes.
Step: TypeAlias = "Check | Failed | tuple[str, str] | tuple[str, Callable[..., str], object, object]"


class Transcript(Sequence[Check]):
    """The checks of one decision. *add* records a step: it is `list.append`, which costs no call of a function here."""

    __slots__ = ("_steps", "add")

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self.add: Callable[[Step], None] = self._steps.append

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, place: int) -> Check: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Check]: ...

    def __getitem__(self, place: int | slice) -> Check | Sequence[Check]:
        found = self._steps[place]
        return [*map(_read, found)] if isinstance(found, list) else _read(found)

    def __eq__(self, other: object) -> bool:
        """Whether *other* is a sequence of the same checks."""
        return isinstance(other, Sequence) and [*self] == [*other]

    def __hash__(self) -> int:
        """Return a hash that equal transcripts share."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Transcript({[*self]!r})"


def _read(step: Step) -> Check:
    """Return the check that *step* stands for."""
    if isinstance(step, Check):
        return step
    if isinstance(step, Failed):
        return step.check()
    name, detail, *values = step
    return Check(name, passed=True, detail=detail if isinstance(detail, str) else detail(*values))
