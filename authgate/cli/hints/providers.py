"""Hints about what the preset of an identity provider demands of a token whose signature is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.cli.hints.claims import audiences_of, spelling_of_the_audience
from authgate.cli.hints.kinds import another_kind
from authgate.core.quoting import quoted
from authgate.presets.guidance import Guidance

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case
    from authgate.core.demands import Demand
    from authgate.presets.provider import ProviderIssuer


def another_audience(case: Case) -> str:
    """Say which audience the token is for, and where the provider names that of the API."""
    config = case.provider
    if config is None or case.jws is None or another_kind(case) or spelling_of_the_audience(case):
        return ""
    audiences = ", ".join(audiences_of(case.jws.payload.get("aud")))
    sentences = [
        f"The token is for {quoted(audiences, 120)}." if audiences else "The token has no aud.",
        f"Ask the provider for a token for your API: {config.page}#traps.",
    ]
    if config.audiences_fix != Guidance.audiences_fix:
        sentences.append(f"If `audiences` is wrong, {config.audiences_fix}.")
    return " ".join(sentences)


def unmet_demand(case: Case) -> str:
    """Say which setting of the provider demands what the token does not have, or where its page explains it."""
    config, issuer = case.provider, case.issuer
    if config is None or issuer is None or case.jws is None or another_kind(case):
        return ""
    payload = case.jws.payload
    audiences = frozenset(audiences_of(payload.get("aud")))
    for demand in (demand for demand in issuer.demands if demand.concerns(audiences)):
        values = [value for _, value in demand.present(payload)]
        unmet = [value for value in values if demand.forbids or not demand.accepts(value)]
        if unmet or not (values or demand.optional):
            return _fix(demand, unmet, config)
    return ""


def _fix(demand: Demand, unmet: list[object], config: ProviderIssuer) -> str:
    """Return what to do about *demand*, which the values *unmet* do not meet; none: the claim is missing."""
    if demand.setting == "require_claims":
        return ""
    is_listed = isinstance(config.given(demand.setting), list)
    if is_listed and all(isinstance(text, str) for text in [*unmet, *(demand.accepted or [None])]) and unmet:
        what = "this client is yours" if demand.names_client else "you accept this value"
        return f"If {what}, add it to `{demand.setting}`. Otherwise the token is not for you: {config.page}#traps."
    return f"For the usual causes, see {config.page}#traps."
