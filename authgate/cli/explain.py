"""`authgate explain`: why is a request refused, or allowed? It drives the same `decide` and prints its checks."""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies, guarded_names
from authgate.answers import Answers
from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.core.decision import Allow, deny_unreadable
from authgate.core.errors import Unreadable
from authgate.core.reasons import REASONS, Reason
from authgate.core.request import make_request, split_absolute_url
from authgate.gate import Gate
from authgate.keysources.watched import LOAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.app import Prepared
    from authgate.config.model import Config
    from authgate.core.decision import Decision
    from authgate.core.request import Request

MAX_INPUT_BYTES = 1024 * 1024

# "Cookie: a=b; c=d", or the same as a browser's tools show it; a token has no "=" but at its end.
_COOKIES = re.compile(r"(?:[Cc]ookie:\s*)?([!#-+\--:<>-~]+=[^=\s].*)", re.DOTALL)

# What a refusal may mean for this command alone.
_OF_EXPLAIN = {
    Reason.KEYS_UNAVAILABLE: "explain loads the keys itself; an AuthGate that runs may still hold them: authgate keys",
    Reason.SESSIONS_UNAVAILABLE: "explain asks the session store itself: from here it must be reached, too",
}


@click.command("explain", short_help="Say why a request is allowed or refused.")
@config_option
@click.option("--request", "request_file", type=click.File("rb"), metavar="FILE",
              help="JSON: method, url, headers of the client; or adapter, headers of the proxy.")  # fmt: skip
@click.option("--at", type=float, metavar="UNIX", help="The time to decide at, in unix seconds (else now).")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
def command(config_path: str | None, request_file: Any, at: float | None, *, as_json: bool) -> None:  # noqa: ANN401
    """Decide one request and say why. Without --request, a token is read from standard input, or a Cookie header.

    Exit 0 if it is allowed, 1 if it is refused, 2 if the input cannot be read.
    """
    if at is not None and not math.isfinite(at):
        raise click.UsageError("--at is a number of seconds since 1970")
    prepared = prepared_or_exit(config_path)
    raw = (request_file or sys.stdin.buffer).read(MAX_INPUT_BYTES + 1)
    if len(raw) > MAX_INPUT_BYTES:
        raise click.UsageError(f"the input is longer than {MAX_INPUT_BYTES} bytes")
    try:
        description = _description(raw, is_token=request_file is None)
        request = _request(description, prepared.config)
    except Unreadable as unreadable:
        decision: Decision = deny_unreadable(unreadable)
    else:
        clock = time.time if at is None else lambda: at
        decision = asyncio.run(_decide(prepared, clock, request))
    click.echo(json.dumps(_as_json(decision), indent=2) if as_json else _as_text(decision))
    sys.exit(0 if isinstance(decision, Allow) else 1)


async def _decide(prepared: Prepared, clock: Callable[[], float], request: Request) -> Decision:
    from authgate.wiring import cached_sessions, watched_keys  # noqa: PLC0415 - as for the other commands

    issuers, stores = watched_keys(prepared), cached_sessions(prepared)
    gate = Gate(prepared.snapshot, Answers(issuers, stores), clock)
    async with asyncio.TaskGroup() as tasks:
        for name, keys in issuers.items():
            keys.use = partial(gate.use, name)
        running = [tasks.create_task(keys.watch()) for keys in issuers.values()]
        running += [tasks.create_task(sessions.run()) for sessions in stores.values()]
        async with asyncio.timeout(LOAD_SECONDS + 1):  # each load has a bound of its own, below this
            for keys in issuers.values():
                await keys.first_attempt.wait()
        decision = await gate.decide(request)
        for task in running:
            task.cancel()
    return decision


def _description(raw: bytes, *, is_token: bool) -> dict[str, Any]:
    text = raw.decode("utf-8", "surrogateescape").strip()
    if is_token:
        if not text:
            raise click.UsageError("standard input holds no token; pipe one in, or use --request FILE")
        cookies = _COOKIES.fullmatch(text)
        sent = {"Cookie": cookies[1]} if cookies else {"Authorization": f"Bearer {text.removeprefix('Bearer ')}"}
        return {"method": "GET", "url": "http://localhost/", "headers": sent}
    try:
        description = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--request is not JSON: {error}") from None
    if not isinstance(description, dict) or not ({"method", "url"} <= description.keys() or "adapter" in description):
        raise click.UsageError('--request needs {"method", "url", "headers"} or {"adapter", "headers"}')
    return description


def _request(description: dict[str, Any], config: Config) -> Request:
    headers = _headers(description.get("headers", {}))
    if "adapter" in description:
        adapter = ADAPTERS.get(str(description["adapter"]))
        if adapter is None:
            raise click.UsageError(f"adapter is one of {', '.join(ADAPTERS)}")
        trusted = TrustedProxies(networks=tuple(config.trusted_proxies))
        return adapter.read(headers, trusted, guarded_names(adapter.reads, tuple(config.headers)))
    scheme, authority, target = split_absolute_url(str(description["url"]))
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
        raise click.UsageError("headers is an object, or a list of [name, value] pairs") from None


def _as_json(decision: Decision) -> dict[str, Any]:
    allowed = isinstance(decision, Allow)
    return {
        "outcome": "allow" if allowed else "deny",
        "reason": None if isinstance(decision, Allow) else decision.reason.value,
        "policy": decision.policy,
        "headers": dict(decision.headers) if isinstance(decision, Allow) else {},
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in decision.checks],
    }


def _as_text(decision: Decision) -> str:
    lines = [f"  {'✓' if check.passed else '✗'} {check.name:<12} {check.detail}".rstrip() for check in decision.checks]
    if isinstance(decision, Allow):
        lines = ["ALLOWED", *lines, *(f"  {name}: {value}" for name, value in decision.headers)]
    else:
        refusal = REASONS[decision.reason]
        lines = [f"REFUSED  {decision.reason}: {refusal.text}", *lines, f"  → {decision.fix or refusal.fix}"]
        if decision.reason in _OF_EXPLAIN:
            lines.append(f"  → {_OF_EXPLAIN[decision.reason]}")
    return "\n".join(lines)
