"""Hints about keys: the token passes with another issuer's keys, another algorithm, or without its key id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authgate.cli.hints.kinds import another_kind
from authgate.cli.hints.spelling import as_yaml, difference
from authgate.core.keys import KeySet
from authgate.core.quoting import quoted
from authgate.core.snapshot import Accept
from authgate.presets.provider import ProviderIssuer
from authgate.presets.settings import JwtSettings
from authgate.tokens import purpose
from authgate.tokens.algorithms import FITTING, HMAC_MIN_BYTES, fully_specified
from authgate.tokens.jws import MAX_KEYS_TRIED

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case
    from authgate.core.snapshot import Issuer
    from authgate.presets.settings import IssuerSettings


def another_algorithm(case: Case) -> str:
    """Say that a key of the issuer verifies the token under the algorithm that the token names."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None:
        return ""
    for key in issuer.key_set.keys[:MAX_KEYS_TRIED]:
        family = next((row for row in FITTING.values() if key.algorithm in row), ())
        wanted = [name for name in fully_specified((token.algorithm,)) if name in family and name != key.algorithm]
        for name in wanted:
            keys = KeySet(keys=(replace(key, algorithm=name),))
            if case.is_signed_under(replace(issuer, key_set=keys, algorithms=frozenset({name}))):
                kind = "secret" if key.is_symmetric else "key"
                return (
                    f"The {kind} of issuer {issuer.name} verifies this token under {name}. Set `algorithms: [{name}]`. "
                    f"A JWK that states another `alg` needs {name} there, too."
                )
    return ""


def another_key_id(case: Case) -> str:
    """Say that a key of the issuer verifies the token, although the token names another key id."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None:
        return ""
    for key in issuer.key_set.keys[:MAX_KEYS_TRIED]:
        if case.is_signed_under(replace(issuer, key_set=KeySet(keys=(replace(key, key_id=None),)))):
            return (
                f"The key {key.label or 'without a kid'} of issuer {issuer.name} verifies this token, whose kid is "
                f"{quoted(token.key_id)}. Publish the key under the kid that the tokens name."
            )
    return ""


def another_issuer(case: Case) -> str:
    """Say that the keys of another issuer verify the token, and how its `iss` differs."""
    token = case.jws
    if token is None or another_kind(case):  # no setting makes it acceptable
        return ""
    for other in case.snapshot.issuers:
        if other is case.issuer or not case.is_signed_under(replace(other, iss=None, other_iss=frozenset())):
            continue
        verified = f"The keys of issuer {other.name} verify this token"
        return verified + _difference_of_iss(token.payload.get("iss"), other, case.configured[other.name].config)
    return ""


def _difference_of_iss(claimed: object, issuer: Issuer, config: IssuerSettings) -> str:
    """Return how *claimed* differs from the `iss` of *issuer*, whose settings are *config*."""
    urls = config.urls
    if issuer.iss is None:
        return f". Its iss is {quoted(str(claimed), 120)}, which is that of another issuer."
    # With another `issuer` than the origin of `url`, the tokens of all hosts have that one.
    if isinstance(claimed, str) and urls and _origin(urls[0]) == issuer.iss and _origin(claimed) == claimed:
        listed = ", ".join(map(as_yaml, [*urls, claimed + urlsplit(urls[0]).path.rstrip("/")]))
        return (
            f". Its iss is {quoted(claimed, 120)}, a host that `url` does not list. If the same front end serves this "
            f"host (`allowedHosts`), add it: `url: [{listed}]`."
        )
    differs, iss = _nearest(claimed, issuer)
    if differs:
        return (
            f", and only {differs} of its iss differs. It is {quoted(str(claimed), 120)}, and {_gives(config, iss)}. "
            f"{_where_to_look(config) or 'Set `issuer` to what the token has.'}"
        )
    if not isinstance(claimed, str):
        return f". It has no iss, and {_gives(config, issuer.iss)}: its issuer has to write that."
    return (
        f". Its iss is {quoted(claimed, 120)}, and {_gives(config, issuer.iss)}. Providers may use the same keys for "
        f"many customers, so accept this iss only if you know it. {_where_to_look(config)}"
    ).rstrip()


def _gives(config: IssuerSettings, iss: str) -> str:
    """Return which settings of *config* say that the `iss` is *iss*, in words."""
    names = _settings_of_iss(config)
    if names == ("issuer",):
        return f"`issuer` is {quoted(iss, 120)}"
    if not names:
        return f"preset {config.preset} expects {quoted(iss, 120)}"
    return f"{' and '.join(f'`{name}`' for name in names)} {'give' if names[1:] else 'gives'} {quoted(iss, 120)}"


def _settings_of_iss(config: IssuerSettings) -> tuple[str, ...]:
    """Return the settings that `iss` follows from; none if only the preset says it."""
    if not isinstance(config, ProviderIssuer) or config.is_written("issuer"):
        return ("issuer",)
    return tuple(name for name in config.issuer_settings if name != "issuer" and config.given(name) is not None)


def _where_to_look(config: IssuerSettings) -> str:
    """Return where the page of a provider says what the settings have to be; "" for other issuers."""
    if not isinstance(config, ProviderIssuer):
        return ""
    if not _settings_of_iss(config):
        return f"For the usual causes, see {config.page}#traps."
    return f"Check that: {config.page} says where to copy the right value from."


def _origin(text: str) -> str:
    """Return the origin of the URL *text*; "" if it has none."""
    try:
        scheme, host = urlsplit(text)[:2]
    except ValueError:
        return ""
    return f"{scheme}://{host}" if scheme and host else ""


def spelling_of_the_issuer(case: Case) -> str:
    """Say that the token's `iss` is a configured one in another spelling. No key had to verify the token for this."""
    claimed = None if case.jws is None else case.jws.payload.get("iss")
    if not isinstance(claimed, str) or another_issuer(case):
        return ""
    for issuer in case.snapshot.issuers:
        differs, iss = _nearest(claimed, issuer)
        if differs:
            return (
                f"Only {differs} of the token's iss differs from that of issuer {issuer.name}: it is "
                f"{quoted(claimed, 120)}, and {_gives(case.configured[issuer.name].config, iss)}."
            )
    return ""


def settings_of_the_issuer(case: Case) -> str:
    """Say which settings of a provider give another `iss` on the token's host, or the only one that is accepted."""
    claimed = None if case.jws is None else case.jws.payload.get("iss")
    if not isinstance(claimed, str) or another_kind(case) or another_issuer(case) or spelling_of_the_issuer(case):
        return ""
    for issuer in case.snapshot.issuers:
        config = case.configured[issuer.name].config
        same_host = next((iss for iss in sorted(issuer.every_iss) if _origin(iss) == _origin(claimed) != ""), "")
        iss = same_host or (issuer.iss if len(case.snapshot.issuers) == 1 else None)
        if iss and isinstance(config, ProviderIssuer):
            return (
                f"The iss of the token is {quoted(claimed, 120)}, and {_gives(config, iss)}. {_where_to_look(config)}"
            )
    return ""


def _nearest(claimed: object, issuer: Issuer) -> tuple[str, str]:
    """Return in what alone *claimed* differs from an `iss` of *issuer*, and that `iss`; "" twice if in more."""
    text = claimed if isinstance(claimed, str) else ""
    return next(((differs, iss) for iss in sorted(issuer.every_iss) if (differs := difference(text, iss))), ("", ""))


def only_public_keys(case: Case) -> str:
    """Say that the token was made with a secret, and that the issuer has none."""
    issuer, token = case.issuer, case.jws
    if issuer is None or token is None or token.algorithm not in HMAC_MIN_BYTES or not issuer.key_set.keys:
        return ""
    if any(key.is_symmetric for key in issuer.key_set.keys):
        return ""
    if says := purpose.unaccepted(token.token_type, token.payload, Accept.ANY):
        return (
            f"Its {says} (alg {quoted(token.algorithm)}). Only the issuer itself reads such a token: send the access "
            "token to AuthGate."
        )
    config = case.configured[issuer.name].config
    fix = f" {config.hs256_fix}" if isinstance(config, JwtSettings) else ""
    return (
        f"The token was signed with a shared secret ({token.algorithm}), and issuer {issuer.name} has public "
        f"keys only. A public key is never used as a secret.{fix}"
    )
