"""`authgate explain`: decides one request as `serve` would, and shows the checks that the decision recorded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies, guarded_names
from authgate.answers import Answers
from authgate.cli import _pasted
from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.cli._terminal import wrapped
from authgate.core.decision import Allow, deny_unreadable
from authgate.core.errors import Unreadable
from authgate.core.reasons import REASONS, Reason
from authgate.core.request import make_request, split_absolute_url
from authgate.gate import Gate
from authgate.keysources.watched import LOAD_SECONDS
from authgate.policies import header_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.app import Prepared
    from authgate.config.model import Config
    from authgate.core.decision import Decision, Deny
    from authgate.core.request import Request

MAX_FILE_BYTES = 1024 * 1024

# The column at which the details of the checks begin.
_DETAIL_INDENT = " " * 17
# The same as tokens/secrets.py makes.
_PRINT_FINGERPRINT = """\
      printf 'authgate-secret-fingerprint:%%s' "$%s" | sha256sum | cut -c1-8"""
# Causes of a refusal that exist only in this command.
_HINTS = {
    Reason.KEYS_UNAVAILABLE: "explain loads the keys itself. A running AuthGate may still have them: run authgate keys",
    Reason.SESSIONS_UNAVAILABLE: "explain asks the session store itself, so this machine must be able to reach it",
}
# The front end's variable that holds the secret.
_SECRET_VARIABLES = {"better-auth": "BETTER_AUTH_SECRET", "authjs": "AUTH_SECRET", "nextauth-v4": "NEXTAUTH_SECRET",
                     "jwt": "JWT_SECRET"}  # fmt: skip

_HELP = f"""\
Decide one request and show every check. The request is read from standard input.

\b
Paste or pipe one of these:
{_pasted.FORMS}

\b
Examples:
  authgate explain < token.txt
  pbpaste | authgate explain

Do not write a token as an argument: arguments end up in the shell's history and in lists of processes.

Exits with 0 if the request is allowed, 1 if it is refused, 2 if the input cannot be read.
"""
_REQUEST_HELP = (
    'Read the request from a file, as JSON: {"method", "url", "headers"} as the client sent it, or {"adapter", '
    '"headers"} as the proxy sent it (adapter: nginx, traefik or caddy).'
)


def _unix_seconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    """Return *text* as Unix seconds. It is not quoted if it is something else, which may be a token."""
    if text is None:
        return None
    seconds = math.nan
    with contextlib.suppress(ValueError):
        seconds = float(text)
    if not math.isfinite(seconds):
        raise click.UsageError("--at is a number of seconds since 1970")
    return seconds


@click.command("explain", help=_HELP, short_help="Show why a request is allowed or refused.",
               context_settings={"allow_extra_args": True})  # fmt: skip
@config_option
@click.option("--request", "file_name", metavar="FILE", help=_REQUEST_HELP)
@click.option(
    "--at",
    callback=_unix_seconds,
    metavar="UNIX",
    help="Decide as if it were this time, in Unix seconds (default: now).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.pass_context
def command(
    ctx: click.Context, config_path: str | None, file_name: str | None, at: float | None, *, as_json: bool
) -> None:
    """Print the decision and exit with its code."""
    if ctx.args:  # never quoted: they may hold a token
        raise click.UsageError(
            "explain takes no token as an argument: arguments end up in the shell's\n"
            "history and in lists of processes. Pipe it instead:\n"
            "  authgate explain < token.txt\n"
            "  pbpaste | authgate explain"
        )
    prepared = prepared_or_exit(config_path)
    description = _pasted_request() if file_name is None else _described_request(file_name)
    try:
        request = _request(description, prepared.config)
    except Unreadable as unreadable:
        decision: Decision = deny_unreadable(unreadable)
    else:
        clock = time.time if at is None else lambda: at
        decision = asyncio.run(_decide(prepared, clock, request))
    click.echo(json.dumps(_as_json(decision), indent=2) if as_json else _as_text(decision, prepared))
    sys.exit(0 if isinstance(decision, Allow) else 1)


async def _decide(prepared: Prepared, clock: Callable[[], float], request: Request) -> Decision:
    from authgate.wiring import cached_sessions, watched_keys  # noqa: PLC0415 - slow to import, and not needed for --help

    issuers, stores = watched_keys(prepared), cached_sessions(prepared)
    gate = Gate(prepared.snapshot, Answers(issuers, stores), clock)
    async with asyncio.TaskGroup() as tasks:
        for name, keys in issuers.items():
            keys.on_change = partial(gate.use, name)
        running = [tasks.create_task(keys.watch()) for keys in issuers.values()]
        running += [tasks.create_task(sessions.run()) for sessions in stores.values()]
        async with asyncio.timeout(LOAD_SECONDS + 1):  # each load has a bound of its own, below this
            for keys in issuers.values():
                await keys.first_attempt.wait()
        decision = await gate.decide(request)
        for task in running:
            task.cancel()
    return decision


def _pasted_request() -> dict[str, Any]:
    """Return the request that standard input describes."""
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        click.echo("Paste a token, headers, a curl command or a URL; then press Enter and Ctrl-D.", err=True)
    raw = sys.stdin.buffer.read(_pasted.MAX_BYTES + 1)
    if is_terminal and any(len(line) >= _pasted.MAX_TERMINAL_LINE_BYTES for line in raw.splitlines()):
        raise click.UsageError(
            f"the terminal cuts a line after {_pasted.MAX_TERMINAL_LINE_BYTES:,} characters. Pipe the input instead:\n"
            "  authgate explain < file\n  pbpaste | authgate explain"
        )
    try:
        return _pasted.read(raw)
    except ValueError as error:
        raise click.UsageError(
            f"{error}.\n\nPaste or pipe one of these:\n{_pasted.FORMS}\n"
            "Or describe the whole request in a file: authgate explain --request FILE"
        ) from None


def _described_request(file_name: str) -> dict[str, Any]:
    """Return the request that the JSON file describes; "-" is standard input."""
    try:
        with click.open_file(file_name, "rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # the name is not quoted: it may be a token. ValueError: it holds a NUL
        cause = getattr(error, "strerror", None) or error
        raise click.UsageError(f"cannot read the file that --request names: {cause}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise click.UsageError(f"the file that --request names is longer than {MAX_FILE_BYTES // 1024:,} KiB")
    try:
        description = json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"the file that --request names is not JSON: {error}") from None
    if not isinstance(description, dict) or not ({"method", "url"} <= description.keys() or "adapter" in description):
        raise click.UsageError('--request needs {"method", "url", "headers"} or {"adapter", "headers"}')
    return description


def _request(description: dict[str, Any], config: Config) -> Request:
    headers = _headers(description.get("headers", {}))
    if "adapter" in description:
        adapter = ADAPTERS.get(str(description["adapter"]))
        if adapter is None:
            raise click.UsageError(f"there is no adapter of that name; the adapters are {', '.join(ADAPTERS)}")
        trusted = TrustedProxies(networks=tuple(config.trusted_proxies))
        return adapter.read(headers, trusted, guarded_names(adapter.reads, header_names(config)))
    url = str(description["url"])
    if url.startswith("/"):
        url = f"http://{headers.get('Host', 'localhost')}{url}"
    scheme, authority, target = split_absolute_url(url)
    return make_request(
        method=str(description["method"]),
        scheme=scheme,
        authority=authority,
        target=target,
        headers=headers,
        adapter="explain",
    )


def _headers(headers: Any) -> CIMultiDict[str]:  # noqa: ANN401 - parsed JSON
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    try:
        return CIMultiDict([(str(name), str(value)) for name, value in pairs])
    except (TypeError, ValueError):
        raise click.UsageError("headers must be an object or a list of [name, value] pairs") from None


def _as_json(decision: Decision) -> dict[str, Any]:
    allowed = isinstance(decision, Allow)
    return {
        "outcome": "allow" if allowed else "deny",
        "reason": None if isinstance(decision, Allow) else decision.reason.value,
        "policy": decision.policy,
        "headers": dict(decision.headers) if isinstance(decision, Allow) else {},
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in decision.checks],
    }


def _as_text(decision: Decision, prepared: Prepared) -> str:
    checks = [f"  {'✓' if check.passed else '✗'} {check.name:<12} {check.detail}".rstrip() for check in decision.checks]
    if isinstance(decision, Allow):
        lines = ["ALLOWED", *checks, *(f"  {name}: {value}" for name, value in decision.headers)]
        return "\n".join(wrapped(line, indent=_DETAIL_INDENT) for line in lines)
    refusal = REASONS[decision.reason]
    lines = [f"REFUSED  {decision.reason}: {refusal.text}", *checks]
    lines = [wrapped(line, indent=_DETAIL_INDENT) for line in lines]
    fixes = [decision.fix or refusal.fix, *filter(None, [_HINTS.get(decision.reason)])]
    fingerprints = _fingerprints_tried(decision, prepared)
    if fingerprints:
        fixes.append(f"Run this where the front end runs. If it prints {' or '.join(fingerprints)}, the secrets agree:")
    lines += [wrapped(f"  → {fix}", indent="    ") for fix in fixes]
    if fingerprints:
        issuer = next(issuer for issuer in prepared.config.issuers if issuer.name == decision.issuer_name)
        # Without a file, JWTs may be verified with BETTER_AUTH_SECRET, too.
        known = issuer.secret_env in _SECRET_VARIABLES.values()
        variable = issuer.secret_env if known else _SECRET_VARIABLES[issuer.preset]
        lines.append(_PRINT_FINGERPRINT % variable)
    return "\n".join(lines)


def _fingerprints_tried(decision: Deny, prepared: Prepared) -> list[str]:
    """Return the fingerprints of the secrets under which the signature or the encryption did not hold."""
    if decision.reason not in {Reason.BAD_SIGNATURE, Reason.UNDECRYPTABLE_TOKEN}:
        return []
    issuer = prepared.snapshot.issuer(decision.issuer_name)
    fingerprints = (key.secret_fingerprint for key in (*issuer.key_set.keys, *issuer.session_key_set.keys))
    return list(dict.fromkeys(shown for shown in fingerprints if shown is not None and shown in decision.detail))
