"""Print what `authgate proxy --check` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.cli._terminal import counted, print_line, print_text
from authgate.core.quoting import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from authgate.proxies.findings import Finding

# One mistake in an included file is found in every location that includes it.
_MAX_PLACES = 3


def print_findings(findings: Sequence[Finding], name: str) -> None:
    """Print each finding once with the places where it is, errors first, and the verdict about the file *name*."""
    groups: dict[tuple[bool, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.is_error, finding.message, finding.fix), []).append(finding)
    for is_error in (True, False):
        for (kind, message, fix), group in groups.items():
            if kind is is_error:
                _print(message, fix, group, is_error=is_error)
    errors = sum(is_error for is_error, _, _ in groups)
    warnings = len(groups) - errors
    counts = [counted(errors, "error") if errors else "no error found"]
    counts += [counted(warnings, "warning")] if warnings else []
    print_line(f"{'✗' if errors else '✓'} {escaped(name)}: {', '.join(counts)}")


def _print(message: str, fix: str, group: list[Finding], *, is_error: bool) -> None:
    first, *others = dict.fromkeys(map(_place, group))
    line = f"{'✗' if is_error else '!'} {first}: {escaped(message)}"
    print_line(line, indent="    ")
    if others:
        more = f" and {len(others) - _MAX_PLACES} more" if len(others) > _MAX_PLACES else ""
        print_line(f"    also {', '.join(others[:_MAX_PLACES])}{more}", indent="    ")
    for number, part in enumerate(fix.split("\n")):
        print_text(f"    {'→' if number == 0 else ' '} {escaped(part)}\n")
    print_line()


def _place(finding: Finding) -> str:
    if finding.line is None:
        return escaped(finding.subject or finding.file)
    return escaped(f"{finding.file}:{finding.line}{f' {finding.subject}' if finding.subject else ''}")


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of *findings* is an error."""
    return any(finding.is_error for finding in findings)
