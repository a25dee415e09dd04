"""`authgate explain`: decides one request as `serve` would, and shows the checks that the decision recorded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import click

from authgate.cli import _asked, _explained, _looked_at, _pasted
from authgate.cli._configuration import config_option, prepare_or_exit
from authgate.cli._deciding import clock_at, deciding
from authgate.cli._described import asked_request, client_address, headers_of, make, pasted_request, request_in_file
from authgate.cli._terminal import UsageError, print_line, print_text, wrapped
from authgate.cli.hints import hints
from authgate.cli.hints.case import make_case
from authgate.config.load import load
from authgate.core.decision import Allow, Deny, deny_unreadable
from authgate.core.errors import Unreadable
from authgate.core.reasons import Reason
from authgate.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.app import Prepared
    from authgate.config.load import LoadedConfig
    from authgate.core.decision import Decision
    from authgate.core.request import IPAddress, Request

# The same as tokens/secrets.py makes.
_PRINT_FINGERPRINT = """\
      printf 'authgate-secret-fingerprint:%%s' "$%s" | sha256sum | cut -c1-8"""
# The front end's variable that holds the secret.
_SECRET_VARIABLES = {name: preset.variables.usual for name, preset in PRESETS.items() if preset.variables is not None}

_HELP = f"""\
Decide one request and show every check. The request is read from standard input.

\b
Paste or pipe one of these:
{_pasted.FORMS}

\b
Examples:
  authgate explain < token.txt
  pbpaste | authgate explain
  authgate explain --policy DELETE /admin/users/1

Do not write a token as an argument: arguments end up in the shell's history and in lists of processes.

Exits with 0 if the request is allowed, 1 if it is refused, 2 if the input cannot be read.
With --policy: 0 if a policy matches, 1 if none does.
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
@click.option(
    "--policy",
    "policy_of",
    nargs=2,
    metavar="METHOD URL",
    help="Show which policy a request meets and what it asks for, without a token. Loads no keys.",
)
@click.option(
    "--client",
    "client_ip",
    callback=client_address,
    metavar="ADDRESS",
    help="The client's address, for policies that depend on it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    config_path: str | None,
    file_name: str | None,
    at: float | None,
    policy_of: tuple[str, str] | None,
    client_ip: IPAddress | None,
    *,
    as_json: bool,
) -> None:
    """Print the decision and exit with its code."""
    if ctx.args:  # never quoted: they may hold a token
        raise UsageError(
            "explain takes no token as an argument: arguments end up in the shell's\n"
            "history and in lists of processes. Pipe it instead:\n"
            "  authgate explain < token.txt\n"
            "  pbpaste | authgate explain"
        )
    loaded = load(config_path)
    prepared = prepare_or_exit(loaded)
    description = _asks_about(file_name, policy_of)
    request: Request | None = None
    shown_hints: tuple[str, ...] = ()
    try:
        request = make(description, prepared.config, client_ip)
    except Unreadable as unreadable:
        headers = headers_of(description)
        decision: Decision = deny_unreadable(unreadable, prepared.snapshot.refusals, headers)
    else:
        if policy_of is None:
            decision, shown_hints = asyncio.run(_decide(loaded, prepared, request, at))
        else:
            met = _asked.find(prepared.snapshot.policies, request)
            if not isinstance(met, Deny):
                print_text(f"{_answer(met, prepared, request, as_json=as_json)}\n")
                return
            decision = met
    _show(decision, request, prepared, shown_hints, as_json=as_json)
    if prepared.config.policies and description.get("url") == "/" and not (as_json or file_name or policy_of):
        note = f"This decided {description['method']} /. To decide another request, paste a curl command with its URL."
        print_line(f"  → {note}", indent="    ")
    sys.exit(0 if isinstance(decision, Allow) else 1)


def _answer(met: _asked.Met, prepared: Prepared, request: Request, *, as_json: bool) -> str:
    looked = _looked_at.look(prepared.snapshot.policies, request)
    return json.dumps(_asked.as_json(met, looked), indent=2) if as_json else _asked.as_text(met, looked, request)


def _asks_about(file_name: str | None, policy_of: tuple[str, str] | None) -> dict[str, Any]:
    """Return the request that the options, or standard input, describe."""
    if policy_of is not None:
        if file_name is not None:
            raise click.UsageError("--policy and --request each describe a request: use one of them")
        return asked_request(*policy_of)
    return pasted_request() if file_name is None else request_in_file(file_name)


async def _decide(
    loaded: LoadedConfig, prepared: Prepared, request: Request, at: float | None
) -> tuple[Decision, tuple[str, ...]]:
    """Return the decision on *request* and the hints that hold for it."""
    async with deciding(prepared) as decider:
        decision = await decider.decide(request, at)
        snapshot = decider.snapshot
    configured = {issuer.config.name: issuer for issuer in loaded.issuers}
    case = make_case(decision, now=clock_at(at)(), request=request, snapshot=snapshot, configured=configured)
    return decision, hints(case)


def _show(
    decision: Decision, request: Request | None, prepared: Prepared, shown_hints: tuple[str, ...], *, as_json: bool
) -> None:
    looked = () if request is None else _explained.looked_at(prepared.snapshot.policies, request, decision)
    if as_json:
        print_text(f"{json.dumps(_explained.as_json(decision, looked, shown_hints), indent=2)}\n")
        return
    print_text(f"{_explained.as_text(decision, looked, request, shown_hints)}\n")
    if isinstance(decision, Deny) and not shown_hints:
        for line in _comparing_secrets(decision, prepared):
            print_text(f"{line}\n")


def _comparing_secrets(decision: Deny, prepared: Prepared) -> Iterator[str]:
    """Yield how to compare the secrets of both sides, if the token was tried with a secret."""
    fingerprints = _fingerprints_tried(decision, prepared)
    if not fingerprints:
        return
    fix = f"Run this where the front end runs. If it prints {' or '.join(fingerprints)}, the secrets agree:"
    yield wrapped(f"  → {fix}", indent="    ")
    issuer = next(issuer for issuer in prepared.config.issuers if issuer.name == decision.issuer_name)
    # Without a file, JWTs may be verified with BETTER_AUTH_SECRET, too.
    known = issuer.secret_env in _SECRET_VARIABLES.values()
    yield _PRINT_FINGERPRINT % (issuer.secret_env if known else _SECRET_VARIABLES.get(issuer.preset, "JWT_SECRET"))


def _fingerprints_tried(decision: Deny, prepared: Prepared) -> list[str]:
    """Return the fingerprints of the secrets under which the signature or the encryption did not hold."""
    if decision.reason not in {Reason.BAD_SIGNATURE, Reason.UNDECRYPTABLE_TOKEN}:
        return []
    issuer = prepared.snapshot.issuer(decision.issuer_name)
    fingerprints = (key.secret_fingerprint for key in (*issuer.key_set.keys, *issuer.session_key_set.keys))
    return list(dict.fromkeys(shown for shown in fingerprints if shown is not None and shown in decision.detail))
