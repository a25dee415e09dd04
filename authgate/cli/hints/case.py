"""What a hint looks at: a decision, the credential that it was made on, and another try under changed settings."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.core.attempts import Attempts
from authgate.core.credential import Credential, UnverifiedToken, find_credentials
from authgate.core.decision import Allow
from authgate.core.errors import Refused
from authgate.core.formats import choose_format, verify
from authgate.core.proof import Proven
from authgate.core.reasons import Reason
from authgate.presets.provider import ProviderIssuer
from authgate.tokens import jws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.decision import Decision
    from authgate.core.identity import Identity
    from authgate.core.policy import Policy
    from authgate.core.proof import Proof
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Snapshot
    from authgate.presets.preset import LoadedIssuer
    from authgate.tokens.jws import UnverifiedJws

# The refusals of a token whose signature did not hold, or may never have been verified.
_BEFORE_THE_SIGNATURE = {
    Reason.NO_CREDENTIAL,
    Reason.MALFORMED_TOKEN,
    Reason.UNKNOWN_ISSUER,
    Reason.UNKNOWN_KEY,
    Reason.WRONG_ALGORITHM,
    Reason.BAD_SIGNATURE,
    Reason.UNDECRYPTABLE_TOKEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A *decision* at *now* (Unix seconds), and what it was made from.

    *snapshot* has the keys that were loaded, *configured* the settings of each issuer by its name. *policy* is the one
    that the request met, *credential* the first one that it holds there; None if there is none.
    """

    decision: Decision
    now: float
    request: Request
    snapshot: Snapshot = field(repr=False)
    configured: Mapping[str, LoadedIssuer] = field(repr=False)
    policy: Policy | None = None
    credential: Credential | None = None

    @property
    def issuer(self) -> Issuer | None:
        """The issuer that the credential claims to come from, with its keys; None if none was chosen."""
        if isinstance(self.decision, Allow):
            name = "" if self.decision.identity is None else self.decision.identity.issuer
        else:
            name = self.decision.issuer_name or ("" if self.credential is None else self.credential.issuer_name)
        return self.snapshot.issuer(name) if name else None

    @property
    def jws(self) -> UnverifiedJws | None:
        """The token as a JWS that is not verified; None if it is none."""
        return None if self.credential is None else jws_in(self.credential.token)

    @property
    def identity(self) -> Identity | None:
        """The identity that the credential proves, also if the request is refused; None if it proves none by itself."""
        if isinstance(self.decision, Allow):
            return self.decision.identity
        outcome = self.tried()
        return outcome.identity if isinstance(outcome, Proven) else None

    @property
    def provider(self) -> ProviderIssuer | None:
        """The settings of the chosen issuer if its preset is that of an identity provider, else None."""
        config = None if self.issuer is None else self.configured[self.issuer.name].config
        return config if isinstance(config, ProviderIssuer) else None

    def has_setting(self, name: str) -> bool:
        """Whether the chosen issuer's preset has the setting *name*."""
        return self.issuer is not None and self.configured[self.issuer.name].config.takes(name)

    def tried(self, *, credential: Credential | None = None, issuer: Issuer | None = None) -> Proof | Refused:
        """Return what *credential* proves, by default that of the request. With *issuer*: under this issuer alone.

        This is the code that verifies credentials in `decide`. Nothing here depends on the clock or on policies.
        """
        credential = credential or self.credential
        if credential is None:
            return Refused(Reason.NO_CREDENTIAL)
        issuers = self.snapshot.issuers if issuer is None else (issuer,)
        try:
            token_format, token, chosen = choose_format(credential, issuers)
        except Refused as refused:
            return refused
        return verify(token_format, token, chosen, Attempts())

    def is_signed_under(self, issuer: Issuer, *, credential: Credential | None = None) -> bool:
        """Whether the keys of *issuer* verify or decrypt the credential, whatever its claims say."""
        outcome = self.tried(issuer=issuer, credential=credential)
        return not isinstance(outcome, Refused) or outcome.reason not in _BEFORE_THE_SIGNATURE


def make_case(
    decision: Decision, *, now: float, request: Request, snapshot: Snapshot, configured: Mapping[str, LoadedIssuer]
) -> Case:
    """Return the case of *decision* on *request*, with the policy and the credential that it was made on."""
    policy: Policy | None = None
    credentials: tuple[Credential, ...] = ()
    with contextlib.suppress(Refused):
        policy, _ = snapshot.policies.find(request)
        credentials = find_credentials(request, policy.places)
    return Case(
        decision=decision,
        now=now,
        request=request,
        snapshot=snapshot,
        configured=configured,
        policy=policy,
        credential=credentials[0] if credentials else None,
    )


def jws_in(text: str) -> UnverifiedJws | None:
    """Return the JWS that *text* is, not verified; None if it is none."""
    try:
        return jws.parse(text)
    except Refused:
        return None


def token_in(text: str, found_in: str) -> Credential:
    """Return *text* as a credential that was *found_in* a header or a cookie."""
    return Credential(parts=(("token", UnverifiedToken(text)),), found_in=found_in)
