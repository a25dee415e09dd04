"""`authgate test`: compares the decisions of the policies with what a file expects of them, for CI."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from authgate import issuer_sessions, policies
from authgate.cli import _cases, _explained, _trial
from authgate.cli._cases import BadCases
from authgate.cli._configuration import config_option, prepare_or_exit, print_problems
from authgate.cli._terminal import counted, print_line, print_text
from authgate.config.load import load
from authgate.core.quoting import escaped

if TYPE_CHECKING:
    from typing import NoReturn

    from authgate.app import Prepared
    from authgate.cli._trial import Result

_EXIT_BAD_FILE = 2
_HELP = """\
Decide the requests in FILE with the policies of the configuration, and compare.

FILE is a list in YAML. Each case has a request, who sends it, and what is expected:

\b
  - name: only admins delete users
    request: DELETE https://app.example.com/admin/users/1
    identity: {subject: ada, roles: [member]}
    expect: {outcome: deny, reason: forbidden}

Exits with 0 if every case passes, 1 if one fails, 2 if FILE cannot be used, 78 if the configuration is invalid.
"""


@click.command("test", help=_HELP, short_help="Test the policies against a file of expectations.")
@config_option
@click.option("--explain", "is_explained", is_flag=True, help="Print every check of each case that fails.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.argument("file_name", metavar="FILE")
def command(config_path: str | None, file_name: str, *, is_explained: bool, as_json: bool) -> None:
    """Print what fails, and exit with the code of the outcome."""
    loaded = load(config_path)
    prepared = prepare_or_exit(loaded)
    named = policies.named_fields(prepared.snapshot.policies)
    entries = tuple(issuer_sessions.with_member(entry, named) for entry in loaded.issuers)
    try:
        cases = _cases.read(file_name, prepared, entries)
    except BadCases as bad:
        _exit_with_mistakes(bad)
    results = asyncio.run(_trial.run(cases, prepared))
    failed = [result for result in results if result.failure]
    if as_json:
        print_text(f"{json.dumps(_as_json(results), indent=2)}\n")
    else:
        for result in failed:
            _print_failure(result, prepared, config_path, is_explained=is_explained)
        if failed and not is_explained:
            print_line()
            print_line("--explain shows every check of the cases that failed.")
        passed = len(results) - len(failed)
        print_line(f"{passed} passed" + (f", {len(failed)} failed" if failed else ""))
    sys.exit(1 if failed else 0)


def _exit_with_mistakes(bad: BadCases) -> NoReturn:
    print_line(f"The file of cases has {counted(len(bad.problems), 'mistake')}.", err=True)
    print_line(err=True)
    print_problems(bad.problems)
    sys.exit(_EXIT_BAD_FILE)


def _print_failure(result: Result, prepared: Prepared, config_path: str | None, *, is_explained: bool) -> None:
    case = result.case
    line = f"✗ case {case.number} ({escaped(case.name)}): {escaped(result.failure)}"
    print_line(line, indent="    ")
    if is_explained:
        request, listed = case.request, prepared.snapshot.policies
        looked = () if request is None else _explained.looked_at(listed, request, result.decision)
        text = _explained.as_text(result.decision, looked, request)
        print_text("".join(f"    {part}\n" for part in text.split("\n")))
    else:
        print_text(f"    → {_closer(result, config_path)}\n")


def _closer(result: Result, config_path: str | None) -> str:
    """Return the command that shows which policy the request meets. A query is left out: no policy depends on it."""
    request = result.case.request
    words = ["authgate", "explain", *(["--config", config_path] if config_path else [])]
    if request is not None:
        port = "" if request.port is None else f":{request.port}"
        words += ["--client", str(request.client_ip)] if request.client_ip is not None else []
        words += ["--policy", request.method, f"{request.scheme}://{request.host}{port}{request.path}"]
    return escaped(shlex.join(words))


def _as_json(results: list[Result]) -> dict[str, Any]:
    failed = sum(bool(result.failure) for result in results)
    return {"passed": len(results) - failed, "failed": failed, "cases": [_case_as_json(result) for result in results]}


def _case_as_json(result: Result) -> dict[str, Any]:
    case = result.case
    decision = _explained.as_json(result.decision, ())
    del decision["policies"]
    return {
        "number": case.number,
        "name": case.name,
        "passed": not result.failure,
        "failure": result.failure,
        "expected": case.expect.model_dump(mode="json", exclude_defaults=True),
        "decision": decision,
    }
