"""The identity that credentials prove: proof → session → times.

`recall` is for a proof that is cached and needs no session store: a plain function. Everything else goes through the
generators `identify` and `identify_all`, which may yield lookups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.attempts import Attempts
from authgate.core.errors import Refused
from authgate.core.formats import choose_format, verify
from authgate.core.identity import check_times
from authgate.core.lookups import FindSession, RefreshKeys
from authgate.core.outputs import same_user
from authgate.core.proof import Proven, SessionCheck
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.core.refusal_cache import CachedRefusal
from authgate.core.subjects import with_prefix, with_prefix_in

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.evaluation import Evaluation
    from authgate.core.identity import Identity
    from authgate.core.lookups import Steps
    from authgate.core.policy import Policy
    from authgate.core.proof import NeedsSession, Proof
    from authgate.core.snapshot import Issuer, TokenFormat, Unverified

# An optional policy takes a credential that is refused for one of these as none: the user was signed in once.
ENDED = frozenset({Reason.EXPIRED, Reason.SESSION_NOT_FOUND})


def recall(evaluation: Evaluation, credential: Credential) -> Identity | None:
    """Return the identity that *credential* proves and that is valid now, if its proof is cached and needs no lookup.

    None if it needs `identify`, which goes on where this function stops. Raises `Refused`.
    """
    snapshot = evaluation.snapshot
    evaluation.check_name = "token"
    evaluation.recalled = None
    evaluation.digest = credential.digest()
    evaluation.cached = cached = snapshot.cached_proof(evaluation.digest, credential.issuer_name)
    if cached is None:
        return None
    issuer, entry = cached
    proof = entry.proof
    evaluation.issuer_name = issuer.name
    identity = proof.identity if isinstance(proof, Proven) else _fresh_copy(evaluation, proof, issuer)
    if identity is not None:
        _check_times(evaluation, identity)
        evaluation.recalled = identity
    return identity


def identify(evaluation: Evaluation, credential: Credential) -> Steps[Identity]:
    """Return the identity that *credential* proves and that is valid now. `recall` has found none."""
    cached = evaluation.cached
    issuer, proof = (cached[0], cached[1].proof) if cached else (yield from _prove(evaluation, credential))
    evaluation.issuer_name = issuer.name
    if isinstance(proof, Proven):
        identity = proof.identity
    elif cached is None and (copy := _fresh_copy(evaluation, proof, issuer)) is not None:
        identity = copy
    else:
        identity = yield from _find_session(evaluation, proof, issuer)
    _check_times(evaluation, identity)
    return identity


def identify_all(evaluation: Evaluation, policy: Policy, credentials: tuple[Credential, ...]) -> Steps[Identity]:
    """Return the one identity that *credentials* prove. Refuse credentials that prove none, or several."""
    evaluation.attempts = Attempts()
    proven: list[Identity] = []
    refusals: list[Refused] = []
    for credential in credentials:
        try:
            proven.append(recall(evaluation, credential) or (yield from identify(evaluation, credential)))
        except Refused as refused:
            refusals.append(refused)
            evaluation.record_failure(refused)
    if not proven and all(refused.reason in ENDED for refused in refusals):
        raise refusals[0]
    evaluation.check_name = "one identity"
    if not proven or not all(same_user(proven[0], other, policy.of_person) for other in proven):
        raise Refused(
            Reason.AMBIGUOUS_CREDENTIAL,
            f"{len(credentials)} cookies have the same name, and {len(proven)} of them are valid"
            + (", with different identities" if proven else ""),
        )
    evaluation.checks.add(("one identity", ""))
    return proven[0]


def _check_times(evaluation: Evaluation, identity: Identity) -> None:
    """Record that the credential proves *identity*. Refuse *identity* if it has expired or is not valid yet."""
    evaluation.checks.add((evaluation.check_name, _described, identity, evaluation.identity_source))
    evaluation.check_name = "times"
    check_times(identity, evaluation.now, evaluation.snapshot.leeway_seconds)
    evaluation.checks.add(("times", ""))


def _described(identity: Identity, source: str) -> str:
    return f"issuer {identity.issuer}, subject {quoted(identity.subject, 256)}{source}"


def _prove(evaluation: Evaluation, credential: Credential) -> Steps[tuple[Issuer, Proof]]:
    """Verify *credential*; return its issuer and what it proves. Look up newer keys if only they can help."""
    snapshot, digest = evaluation.snapshot, evaluation.digest
    cached_refusal = _cached_refusal(evaluation)
    attempts = evaluation.attempts or Attempts()
    if cached_refusal is not None:
        outcome: Proof | Refused = cached_refusal.refused()
        issuer, key_id = snapshot.issuer(cached_refusal.issuer_name), cached_refusal.key_id
    else:
        token_format, token, issuer = _choose_format(evaluation, credential)
        if cached := snapshot.proofs.get(digest, issuer):  # not found before: see `cached_proof`
            return issuer, cached
        outcome, key_id = verify(token_format, token, issuer, attempts), token.key_id
        if isinstance(outcome, Refused):
            _cache_refusal(evaluation, outcome, key_id)
    # A session store can identify the user without newer keys.
    needs_keys = isinstance(outcome, Refused) or issuer.session_check is SessionCheck.NONE
    if needs_keys and outcome.newer_keys_may_help:
        refreshed: Issuer = yield RefreshKeys(
            issuer_name=issuer.name, key_id=key_id, client_ip=str(evaluation.request.client_ip or "")
        )
        if refreshed.fingerprint != issuer.fingerprint:
            issuer = refreshed
            evaluation.snapshot = snapshot.with_issuer(issuer)  # for the remaining cookies
            token_format, token, _ = choose_format(credential, snapshot.issuers)  # a cached refusal has no token
            outcome = verify(token_format, token, issuer, attempts)
    if isinstance(outcome, Refused):
        raise outcome
    outcome = with_prefix_in(outcome, issuer)
    if outcome.is_cacheable:
        snapshot.proofs.put(digest, issuer, outcome, now=evaluation.now)
    return issuer, outcome


def _cached_refusal(evaluation: Evaluation) -> CachedRefusal | None:
    """Return the cached refusal of the credential, if newer keys may change it. Raise it if they may not."""
    if evaluation.attempts is not None:
        return None
    snapshot = evaluation.snapshot
    cached = snapshot.refusal_cache.get(evaluation.digest, snapshot.issuers)
    if cached is not None:
        evaluation.issuer_name = cached.issuer_name
        if not cached.newer_keys_may_help:
            raise cached.refused()
    return cached


def _choose_format(evaluation: Evaluation, credential: Credential) -> tuple[TokenFormat, Unverified, Issuer]:
    """Return the format, the token and the issuer of *credential*."""
    try:
        chosen = choose_format(credential, evaluation.snapshot.issuers)
    except Refused as refused:
        _cache_refusal(evaluation, refused)
        raise
    evaluation.issuer_name = chosen[2].name
    return chosen


def _cache_refusal(evaluation: Evaluation, refused: Refused, key_id: str | None = None) -> None:
    """Cache *refused*, which depends on the credential and the issuers alone, unless there are several credentials."""
    if evaluation.attempts is None:
        snapshot = evaluation.snapshot
        refusal = CachedRefusal(refused, evaluation.issuer_name, key_id)
        snapshot.refusal_cache.put(evaluation.digest, snapshot.issuers, refusal)


def _fresh_copy(evaluation: Evaluation, proof: NeedsSession, issuer: Issuer) -> Identity | None:
    """Return the identity in the copy of the session that *proof* has; None if the session store must be asked."""
    was_signed = proof.session.was_signed
    evaluation.checks.add(("token", "the signature is valid" if was_signed else "an unsigned session token"))
    evaluation.check_name = "session"
    copy = proof.copy
    if copy is None or evaluation.now >= proof.fresh_until or issuer.session_check is SessionCheck.ALWAYS:
        return None
    evaluation.identity_source = ", from the data cookie"
    return copy


def _find_session(evaluation: Evaluation, proof: NeedsSession, issuer: Issuer) -> Steps[Identity]:
    """Ask the session store of *issuer*, if it has one, for the user of the session."""
    if issuer.session_check is SessionCheck.NONE:
        raise Refused(proof.reason, f"{proof.detail}; no session store is configured")
    identity: Identity | None = yield FindSession(
        issuer_name=issuer.name,
        token=proof.session.token,
        signed_token=proof.session.signed_token,
        was_signed=proof.session.was_signed,
        client_ip=str(evaluation.request.client_ip or ""),
    )
    if identity is None:
        raise Refused(Reason.SESSION_NOT_FOUND, "the session store has no such session")
    if identity.expires_at is None or evaluation.now >= identity.expires_at:
        raise Refused(Reason.SESSION_NOT_FOUND, "the session has expired")
    evaluation.identity_source = ", from the session store"
    return with_prefix(identity, issuer)
