"""Ask a person for the settings that an issuer needs. Everything is shown on standard error."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from authgate.cli._configuration import exit_with_problems, print_problems
from authgate.cli._terminal import print_line, print_text
from authgate.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.cli._init_form import Form


def answers(form: Form, given: Mapping[str, object]) -> dict[str, object]:
    """Return *given*, which has no mistake, with the answers to what is missing in it.

    If *given* is complete, nothing is asked. If not, people are also asked for what they may leave out.
    """
    settings = dict(given)
    if not form.problems(settings):
        return settings
    _show(f"{form.page} says more about these values.")
    for setting in form.asks:
        is_needed = form.problems(form.completed(setting, settings)) or form.is_optional(setting)
        if is_needed and setting not in settings and form.has_effect(setting, settings):
            settings |= _answer(form, setting, settings)
    while problems := form.problems(settings):
        missing = next((name for name in problems if name in form.options), None)
        if missing is None:
            exit_with_problems(ConfigError(tuple(problems.values())))
        settings |= _answer(form, missing, settings)
    return settings


def _answer(form: Form, setting: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Ask for *setting*, or what may replace it. Return the right answer; nothing if it is left out, and may be."""
    while True:
        answer, other = _answer_to(form, setting, settings), form.instead_of(setting)
        if answer or other is None:
            return answer
        setting = other


def _answer_to(form: Form, setting: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Ask for *setting* until the answer is right. Return nothing if it is left out, and it or another may be."""
    other, default = form.instead_of(setting), form.default(setting)
    may_be_empty = other is not None or setting not in form.problems(form.completed(setting, settings))
    print_line(err=True)
    _show(form.description(setting))
    if (example := form.example(setting)) not in form.description(setting):
        _show(f"For example {example}")
    if form.takes_several(setting):
        _show("Write commas between several.")
    if may_be_empty and not default:
        _show(f"Leave it empty to set {other} instead." if other else "You may leave it empty.")
    while True:
        typed = _line(f"{setting} [{default}]: " if default else f"{setting}: ")
        if not typed and may_be_empty:
            return {}
        answer = {setting: form.value(setting, typed)} if typed else {}
        problem = form.problems(form.completed(setting, dict(settings) | answer)).get(setting)
        if problem is None:
            return answer
        print_problems([replace(problem, setting=setting)])


def _show(text: str) -> None:
    print_line(text, err=True)


def _line(prompt: str) -> str:
    """Return the line that is typed after *prompt*, without spaces around it."""
    print_text(prompt, err=True)
    line = sys.stdin.readline()
    if not line:
        print_line(err=True)
        raise click.Abort
    return line.strip()
