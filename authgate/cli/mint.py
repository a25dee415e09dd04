"""`authgate mint`: makes a token for development, signed with a configured secret."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import click

from authgate.cli._configuration import config_option, prepared_or_exit
from authgate.cli._terminal import print_line, print_text
from authgate.core import strict_json
from authgate.core.attempts import Attempts
from authgate.core.claim_paths import find
from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.errors import Refused
from authgate.core.formats import choose_format, verify
from authgate.core.quoting import escaped, quoted
from authgate.core.subjects import prefixed
from authgate.core.values import is_absent
from authgate.tokens.claim_sources import DEFAULT_CLAIMS
from authgate.tokens.mint import mint

if TYPE_CHECKING:
    from authgate.app import Prepared
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.snapshot import Issuer

_MAX_BRACKETS = 10_000
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
            raise click.BadParameter(f"{quoted(text)} is not NAME=VALUE")
        try:
            claims[name] = strict_json.parse(value, max_brackets=_MAX_BRACKETS)
        except strict_json.NotJson:
            claims[name] = value
        except ValueError as error:
            raise click.BadParameter(f"the value of {quoted(name)} cannot be a claim: {error}") from None
    return claims


_HELP = """\
Make a token that this configuration accepts, for development, and print it.

The configuration needs an issuer of preset jwt with a shared secret, which signs the token. The claims are those that
its `identity` names. Claims of `require_claims` get their first value.

\b
Example:
  TOKEN=$(authgate mint --sub ada --email ada@example.com --role admin)
"""


@click.command("mint", help=_HELP, short_help="Make a token for development.")
@config_option
@click.option(
    "--sub", required=True, metavar="ID", callback=non_empty, help="The user's id (claim sub, or that of `identity`)."
)
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
    issuer = _issuer(prepared_or_exit(config_path), issuer_name)
    named = {"email": email, "roles": list(roles), "scopes": " ".join(scopes)}
    given = _at_their_paths({field: value for field, value in named.items() if value}, issuer)
    if repeated := sorted(given.keys() & claims.keys()):
        raise click.UsageError(f"the claim {repeated[0]} is given twice: by its own option and by --claim")
    try:
        user_id = prefixed(sub, issuer)
    except Refused as refused:
        raise click.UsageError(refused.detail) from None
    if user_id != sub:
        print_line(f"The services get the user id {escaped(user_id)}.", err=True)
    now = int(time.time())
    payload: dict[str, Any] = _at_their_paths({"subject": sub}, issuer) | {"iat": now, "exp": now + lifetime} | given
    if issuer.iss:
        payload["iss"] = issuer.iss
    if issuer.audiences:
        payload["aud"] = min(issuer.audiences)
    for demand in issuer.demands:
        path = demand.paths[0]
        if path[0] not in claims and is_absent(find(payload, path)) and demand.accepted is not None:
            _put(payload, path, demand.accepted[0])
    token = mint(payload | claims, issuer.key_set.keys[0])
    if (refusal := _refusal(token, issuer)) is not None:
        print_line(f"This configuration refuses the token: {escaped(refusal)}.", err=True)
    print_text(f"{token}\n")


def _at_their_paths(values: dict[str, Any], issuer: Issuer) -> dict[str, Any]:
    """Return claims from which *issuer* reads the *values* of fields: those of its `identity`, else the usual ones."""
    claims: dict[str, Any] = {}
    for field, value in values.items():
        _put(claims, issuer.identity.get(field, DEFAULT_CLAIMS[field])[0], value)
    return claims


def _put(claims: dict[str, Any], path: ClaimPath, value: object) -> None:
    *outer, last = path
    for name in outer:
        inner = claims.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the token cannot have both; `_refusal` says what is missing
        claims = inner
    claims[last] = value


def _refusal(token: str, issuer: Issuer) -> str | None:
    """Return why *issuer* does not accept *token*, whatever the time; None if it does."""
    credential = Credential(parts=(("token", UnverifiedToken(token)),), found_in="mint")
    try:
        token_format, unverified, chosen = choose_format(credential, (issuer,))
    except Refused as refused:
        return refused.detail
    outcome = verify(token_format, unverified, chosen, Attempts())
    return outcome.detail if isinstance(outcome, Refused) else None


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
        given = "" if name is None else f"no issuer named {quoted(name)} has a shared secret; "
        raise click.UsageError(f"{given}name the issuer with --issuer: {', '.join(issuers)}")
    return issuers[name]
