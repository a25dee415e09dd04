"""`authgate mint`: a token for development, signed with a configured secret."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import click

from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.tokens.mint import mint

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def subject_of(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """Return a subject that `serve` accepts."""
    if not text:
        raise click.BadParameter("must not be empty: nobody would be known by it")
    return text


def seconds_of(_ctx: click.Context, _param: click.Parameter, text: str) -> int:
    """Return a duration like 15m, 90s, 2h or -5m (already expired) in seconds."""
    match = re.fullmatch(r"(-?\d{1,9})([smhd])", text)
    if not match:
        raise click.BadParameter("write a number and a unit: 90s, 15m, 2h, 7d (negative: already expired)")
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def claims_of(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Return k=v pairs as claims; a value that is JSON is taken as such, any other as a string."""
    claims: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not name=value")
        try:
            claims[name] = json.loads(value)
        except ValueError:
            claims[name] = value
    return claims


@click.command("mint", short_help="Print a token, for development.")
@config_option
@click.option("--sub", required=True, callback=subject_of, help="The subject: the user's id.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", callback=claims_of,
              help='Further claims; JSON values are taken as such: --claim roles=\'["admin"]\'.')  # fmt: skip
@click.option("--expires-in", "lifetime", default="15m", show_default=True, callback=seconds_of, help="Time to live.")
@click.option("--issuer", "issuer_name", help="The configured issuer to sign for, if there are several.")
def command(config_path: str | None, sub: str, claims: dict[str, Any], lifetime: int, issuer_name: str | None) -> None:
    """Print a token that this configuration accepts, for development. Needs an issuer with a shared secret."""
    every = prepared_or_exit(config_path).snapshot.issuers
    issuers = {one.name: one for one in every if any(key.is_symmetric for key in one.key_set.keys)}
    if issuer_name is None and len(issuers) == 1:
        issuer_name = next(iter(issuers))
    if issuer_name not in issuers:
        known = ", ".join(issuers) or "none: tokens are made for issuers of preset jwt with a shared secret"
        raise click.UsageError(f"name one of the issuers that have a secret with --issuer: {known}")
    issuer = issuers[issuer_name]
    now = int(time.time())
    payload: dict[str, Any] = {"sub": sub, "iat": now, "exp": now + lifetime}
    if issuer.iss:
        payload["iss"] = issuer.iss
    if issuer.audiences:
        payload["aud"] = min(issuer.audiences)
    click.echo(mint(payload | claims, issuer.key_set.keys[0]))
