"""`authgate mint`: makes a token for development, signed with a configured secret."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import click

from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.cli._terminal import escaped
from authgate.core.errors import Refused
from authgate.core.subjects import prefixed
from authgate.tokens.mint import mint

if TYPE_CHECKING:
    from authgate.app import Prepared
    from authgate.core.snapshot import Issuer

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def non_empty(
    _ctx: click.Context, _param: click.Parameter, value: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    """Return *value*. Raise `BadParameter` if a text in it is empty: `serve` would refuse an empty subject."""
    if "" in ((value,) if isinstance(value, str) else value or ()):
        raise click.BadParameter("must not be empty")
    return value


def duration_seconds(_ctx: click.Context, _param: click.Parameter, text: str) -> int:
    """Return the seconds of a duration such as 15m, 90s, 2h or -5m."""
    match = re.fullmatch(r"(-?\d{1,9})([smhd])", text)
    if not match:
        raise click.BadParameter("write a number and a unit: 90s, 15m, 2h, 7d; or -5m for an expired token")
    return int(match[1]) * _UNIT_SECONDS[match[2]]


def parsed_claims(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Return NAME=VALUE pairs as claims. A value that is JSON is parsed, any other is a string."""
    claims: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        try:
            claims[name] = json.loads(value)
        except ValueError:
            claims[name] = value
    return claims


_HELP = """\
Make a token that this configuration accepts, for development, and print it.

The configuration needs an issuer of preset jwt with a shared secret, which signs the token.

\b
Example:
  TOKEN=$(authgate mint --sub ada --email ada@example.com --role admin)
"""


@click.command("mint", help=_HELP, short_help="Make a token for development.")
@config_option
@click.option("--sub", required=True, metavar="ID", callback=non_empty, help="The user's id (claim sub).")
@click.option("--email", metavar="ADDRESS", callback=non_empty, help="The user's email address (claim email).")
@click.option("--role", "roles", multiple=True, metavar="ROLE", callback=non_empty,
              help="A role of the user (claim roles). Repeat it for several roles.")  # fmt: skip
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", callback=non_empty,
              help="A scope of the token (claim scope). Repeat it for several scopes.")  # fmt: skip
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", callback=parsed_claims,
              help="Any other claim. Repeat it for several claims. A value that is JSON is parsed: "
              "--claim level=3, --claim 'teams=[\"a\",\"b\"]'.")  # fmt: skip
@click.option("--expires-in", "lifetime", default="15m", show_default=True, metavar="TIME", callback=duration_seconds,
              help="How long the token is valid: 90s, 15m, 2h, 7d. A negative time: already expired.")  # fmt: skip
@click.option("--issuer", "issuer_name", metavar="NAME", help="The issuer to sign for, if several have a secret.")
def command(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config_path: str | None,
    sub: str,
    email: str | None,
    roles: tuple[str, ...],
    scopes: tuple[str, ...],
    claims: dict[str, Any],
    lifetime: int,
    issuer_name: str | None,
) -> None:
    """Print the token."""
    named = {"email": email, "roles": list(roles), "scope": " ".join(scopes)}
    given = {name: value for name, value in named.items() if value}
    if repeated := sorted(given.keys() & claims.keys()):
        raise click.UsageError(f"the claim {repeated[0]} is given twice: by its own option and by --claim")
    issuer = _issuer(prepared_or_exit(config_path), issuer_name)
    try:
        user_id = prefixed(sub, issuer)
    except Refused as refused:
        raise click.UsageError(refused.detail) from None
    if user_id != sub:
        click.echo(f"The services get the user id {escaped(user_id)}.", err=True)
    now = int(time.time())
    payload: dict[str, Any] = {"sub": sub, "iat": now, "exp": now + lifetime} | given
    if issuer.iss:
        payload["iss"] = issuer.iss
    if issuer.audiences:
        payload["aud"] = min(issuer.audiences)
    click.echo(mint(payload | claims, issuer.key_set.keys[0]))


def _issuer(prepared: Prepared, name: str | None) -> Issuer:
    """Return the issuer of this *name*, or the only one, among those that verify JWTs with a shared secret."""
    issuers = {
        issuer.name: issuer
        for issuer in prepared.snapshot.issuers
        if any(key.is_symmetric for key in issuer.key_set.keys)
    }
    if not issuers:
        raise click.UsageError("no issuer can sign: mint needs an issuer of preset jwt with a shared secret")
    if name is None and len(issuers) == 1:
        return next(iter(issuers.values()))
    if name not in issuers:
        given = "" if name is None else f"no issuer named {name!r} has a shared secret; "
        raise click.UsageError(f"{given}name the issuer with --issuer: {', '.join(issuers)}")
    return issuers[name]
