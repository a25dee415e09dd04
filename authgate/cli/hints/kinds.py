"""A hint about tokens of another kind than the preset of their issuer reads.

The kinds are in the files of the providers. Nothing here is verified: a kind is what a token says about itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.core.claim_paths import find, parse
from authgate.core.decision import Allow
from authgate.presets.provider import ProviderIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.cli.hints.case import Case
    from authgate.presets.other_kinds import OtherKind
    from authgate.tokens.jws import UnverifiedJws


def another_kind(case: Case) -> str:
    """Say which kind of token this is, if the preset of its issuer reads another kind."""
    token = case.jws
    if token is None:
        return ""
    return next((kind.sentence for kind in _kinds(case) if _is_of(kind, token)), "")


def _kinds(case: Case) -> Iterator[OtherKind]:
    """Yield the kinds that clients of the token's issuer send. If it is not known: of every configured issuer."""
    reason = None if isinstance(case.decision, Allow) else case.decision.reason
    names = case.configured if case.issuer is None else (case.issuer.name,)
    for config in (case.configured[name].config for name in names):
        for kind in config.facts().other_kinds if isinstance(config, ProviderIssuer) else ():
            # What a token of a foreign issuer lacks says nothing.
            is_known = case.issuer is not None or "" not in kind.claims.values()
            if is_known and kind.reason in {None, reason}:
                yield kind


def _is_of(kind: OtherKind, token: UnverifiedJws) -> bool:
    """Whether *token* is of this *kind*, by what it says about itself."""
    if kind.typ not in {"", (token.token_type or "").lower()} or (kind.has_nonce and not token.has_nonce):
        return False
    return all(_matches(pattern, find(token.payload, parse(path))) for path, pattern in kind.claims.items())


def _matches(pattern: str, claim: object) -> bool:
    texts = [text for text in (claim if isinstance(claim, list) else [claim]) if isinstance(text, str)]
    return any(re.fullmatch(pattern, text) for text in texts or [""])
