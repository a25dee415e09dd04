"""The decision. Read this file to know what AuthGate does.

    route → (preflight) → credential → proof → session → times → user id → rules → csrf → allow

`decide` is a generator. If the proof is cached or the key is in memory, it yields nothing, and a decision is a single
function call. Otherwise it yields a `Lookup` and is resumed with the answer. `authgate explain` prints the checks that
`decide` records: there is no second implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.attempts import Attempts, TooManyAttempts
from authgate.core.authorization import check_account, check_rules
from authgate.core.challenge import NO_CHALLENGE, RuleFailed
from authgate.core.cors import preflight_method
from authgate.core.credential import find_credentials
from authgate.core.decision import Allow, Check, Deny
from authgate.core.errors import LookupFailed, Refused
from authgate.core.formats import choose_format, verify
from authgate.core.identity import check_times
from authgate.core.lookups import FindSession, RefreshKeys
from authgate.core.outputs import check_user_id, identity_headers, same_user, unknown_headers
from authgate.core.policy import Access
from authgate.core.proof import Proven, SessionCheck
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.core.rules import Facts
from authgate.core.subjects import with_prefix, with_prefix_in

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.decision import Decision
    from authgate.core.identity import Identity
    from authgate.core.lookups import Steps
    from authgate.core.paths import Path
    from authgate.core.policy import Policy
    from authgate.core.proof import NeedsSession, Proof
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Snapshot

# An optional policy takes a credential that is refused for one of these as none: the user was signed in once.
_ENDED = {Reason.EXPIRED, Reason.SESSION_NOT_FOUND}


def decide(request: Request, snapshot: Snapshot, now: float) -> Steps[Decision]:
    """Return whether *request* may pass at *now* (Unix seconds).

    Never raises for bad input: every path without a proof ends in a `Deny`, except where the policy asks for none.
    """
    evaluation = _Evaluation(request, snapshot, now)
    try:
        policy = evaluation.route()
        if request.method == "OPTIONS" and preflight_method(request):
            evaluation.check_preflight(policy)
            return evaluation.allow(policy, None)
        credentials = evaluation.find_credentials(policy)
        identity = yield from evaluation.identify(policy, credentials)  # proof → session → times; None: anonymous
        if identity is not None:
            evaluation.check_user_id(policy, identity)
            evaluation.check_rules(policy, identity)
            evaluation.check_csrf(policy, credentials[0])
        return evaluation.allow(policy, identity)
    except (Refused, LookupFailed, TooManyAttempts) as failure:
        return evaluation.deny(failure)


class _Evaluation:
    """The evaluation of one request, and the checks that it has made so far.

    `_check_name` is the name of the check in progress; `_passed` or `deny` records its outcome.
    """

    __slots__ = (
        "_attempts",
        "_check_name",
        "_checks",
        "_identity_source",
        "_issuer_name",
        "_now",
        "_paths",
        "_policy",
        "_request",
        "_snapshot",
    )

    def __init__(self, request: Request, snapshot: Snapshot, now: float) -> None:
        self._request = request
        self._snapshot = snapshot
        self._now = now
        self._paths: tuple[Path, ...] = ()
        self._policy: Policy | None = None
        self._issuer_name = self._identity_source = ""
        self._checks: list[Check] = []
        self._check_name = ""
        self._attempts: Attempts | None = None  # a request whose proof is cached needs none

    def route(self) -> Policy:
        """Return the first policy that matches."""
        self._check_name = "policy"
        policy, self._paths = self._snapshot.policies.find(self._request)
        self._policy = policy
        self._passed(policy.name)
        return policy

    def check_preflight(self, policy: Policy) -> None:
        """Refuse a preflight of an origin that *policy* does not allow, unless the policy lets anonymous requests pass.

        A preflight is anonymous, whatever it carries. The service answers it.
        """
        self._check_name = "cors"
        if policy.access is Access.REQUIRE:
            policy.cors.check_preflight(self._request)
        self._passed("a preflight, which is anonymous")

    def find_credentials(self, policy: Policy) -> tuple[Credential, ...]:
        """Return the credentials in the first place that has any. Several are cookies of the same name.

        There are none if *policy* is public, or if it is optional and the request has none.
        """
        if policy.access is Access.PUBLIC:
            return ()
        self._check_name = "credential"
        credentials = find_credentials(self._request, policy.places)
        if not credentials and policy.access is Access.REQUIRE:
            places = ", ".join(place.describe_absence(self._request.headers) for place in policy.places)
            raise Refused(Reason.NO_CREDENTIAL, f"looked in {places}")
        self._passed(credentials[0].found_in if credentials else "none, and none is needed")
        return credentials

    def identify(self, policy: Policy, credentials: tuple[Credential, ...]) -> Steps[Identity | None]:
        """Return the identity that *credentials* prove and that is valid now; None if the request is anonymous."""
        if not credentials:
            return None
        try:
            identity = yield from self._identify_all(policy, credentials)
        except Refused as refused:
            if policy.access is not Access.OPTIONAL or refused.reason not in _ENDED:
                raise
            self._record(refused)
            return None
        return identity

    def _identify_all(self, policy: Policy, credentials: tuple[Credential, ...]) -> Steps[Identity]:
        """Return the one identity that *credentials* prove. Refuse credentials that prove none, or several."""
        if len(credentials) == 1:
            return (yield from self._identify_one(credentials[0]))
        proven: list[Identity] = []
        refusals: list[Refused] = []
        for credential in credentials:
            try:
                proven.append((yield from self._identify_one(credential)))
            except Refused as refused:
                refusals.append(refused)
                self._record(refused)
        if not proven and all(refused.reason in _ENDED for refused in refusals):
            raise refusals[0]
        self._check_name = "one identity"
        if not proven or not all(same_user(proven[0], other, policy.of_person) for other in proven):
            raise Refused(
                Reason.AMBIGUOUS_CREDENTIAL,
                f"{len(credentials)} cookies have the same name, and {len(proven)} of them are valid"
                + (", with different identities" if proven else ""),
            )
        self._passed()
        return proven[0]

    def _identify_one(self, credential: Credential) -> Steps[Identity]:
        """Return the identity that *credential* proves and that is valid now."""
        self._check_name = "token"
        digest = credential.digest()
        cached = self._snapshot.cached_proof(digest, credential.issuer_name)
        issuer, proof = cached or (yield from self._prove(credential, digest))
        self._issuer_name = issuer.name
        identity = yield from self._check_session(proof, issuer)
        self._passed(f"issuer {identity.issuer}, subject {quoted(identity.subject, 256)}{self._identity_source}")
        self._check_name = "times"
        check_times(identity, self._now, self._snapshot.leeway_seconds)
        self._passed()
        return identity

    def _prove(self, credential: Credential, digest: bytes) -> Steps[tuple[Issuer, Proof]]:
        """Verify *credential*; return its issuer and what it proves. Look up newer keys if only they can help."""
        token_format, token, issuer = choose_format(credential, self._snapshot.issuers)
        self._issuer_name = issuer.name
        if cached := self._snapshot.proofs.get(digest, issuer):  # not found before: see `cached_proof`
            return issuer, cached
        attempts = self._attempts = self._attempts or Attempts()
        outcome = verify(token_format, token, issuer, attempts)
        # A session store can identify the user without newer keys.
        needs_keys = isinstance(outcome, Refused) or issuer.session_check is SessionCheck.NONE
        if needs_keys and outcome.newer_keys_may_help:
            refreshed: Issuer = yield RefreshKeys(
                issuer_name=issuer.name, key_id=token.key_id, client_ip=str(self._request.client_ip or "")
            )
            if refreshed.fingerprint != issuer.fingerprint:
                issuer = refreshed
                self._snapshot = self._snapshot.with_issuer(issuer)  # for the remaining cookies
                outcome = verify(token_format, token, issuer, attempts)
        if isinstance(outcome, Refused):
            raise outcome
        outcome = with_prefix_in(outcome, issuer)
        if outcome.is_cacheable:
            self._snapshot.proofs.put(digest, issuer, outcome, now=self._now)
        return issuer, outcome

    def _check_session(self, proof: Proof, issuer: Issuer) -> Steps[Identity]:
        """Return the identity in *proof*, or ask the session store if the proof has none that is fresh enough."""
        if isinstance(proof, Proven):
            return proof.identity
        self._passed("the signature is valid" if proof.session.was_signed else "an unsigned session token")
        self._check_name = "session"
        if proof.copy is not None and self._now < proof.fresh_until and issuer.session_check is not SessionCheck.ALWAYS:
            self._identity_source = ", from the data cookie"
            return proof.copy
        return (yield from self._find_session(proof, issuer))

    def _find_session(self, proof: NeedsSession, issuer: Issuer) -> Steps[Identity]:
        """Ask the session store of *issuer*, if it has one, for the user of the session."""
        if issuer.session_check is SessionCheck.NONE:
            raise Refused(proof.reason, f"{proof.detail}; no session store is configured")
        identity: Identity | None = yield FindSession(
            issuer_name=issuer.name,
            token=proof.session.token,
            signed_token=proof.session.signed_token,
            was_signed=proof.session.was_signed,
            client_ip=str(self._request.client_ip or ""),
        )
        if identity is None:
            raise Refused(Reason.SESSION_NOT_FOUND, "the session store has no such session")
        if identity.expires_at is None or self._now >= identity.expires_at:
            raise Refused(Reason.SESSION_NOT_FOUND, "the session has expired")
        self._identity_source = ", from the session store"
        return with_prefix(identity, issuer)

    def check_user_id(self, policy: Policy, identity: Identity) -> None:
        """Refuse *identity* if the header that carries the user's id would be empty."""
        if policy.user_id is not None:
            self._check_name = "user id"
            check_user_id(identity, policy.user_id)

    def check_rules(self, policy: Policy, identity: Identity) -> None:
        """Refuse *identity* unless its account is in order and everything that *policy* demands of it is true."""
        if not policy.has_demands:
            return
        facts = Facts(
            identity=identity,
            now=self._now,
            client_ip=self._request.client_ip,
            leeway_seconds=self._snapshot.leeway_seconds,
        )
        self._check_name = "account"
        check_account(policy, facts)
        self._check_name = "rules"
        finding = check_rules(policy, facts, self._paths)
        if finding is not None:
            self._checks.append(Check(self._check_name, passed=True, finding=finding))

    def check_csrf(self, policy: Policy, credential: Credential) -> None:
        """Refuse a credential that a browser sent by itself, with a request that another site made."""
        if policy.csrf is None or not credential.sent_by_browsers:
            return
        self._check_name = "csrf"
        policy.csrf.check(self._request)
        self._passed()

    def allow(self, policy: Policy, identity: Identity | None) -> Allow:
        """Return the `Allow`. No other function makes one."""
        self._check_name = "headers"
        headers = identity_headers(identity, policy.outputs)
        if identity is None:
            self._passed("anonymous: all are empty")
        else:
            is_complete = policy.fields.isdisjoint(identity.unknown)
            self._passed("" if is_complete else unknown_headers(identity, policy.outputs))
        return Allow(policy=policy.name, identity=identity, headers=headers, checks=tuple(self._checks))

    def deny(self, failure: Refused | LookupFailed | TooManyAttempts) -> Deny:
        """Return the `Deny` for *failure*. Its last check is the one that failed."""
        finding, demanded = None, NO_CHALLENGE
        if isinstance(failure, RuleFailed):
            finding, demanded = failure.finding, failure.challenge
        self._checks.append(Check(self._check_name, passed=False, detail=failure.detail, finding=finding))
        refusals, policy = self._snapshot.refusals, self._policy
        return Deny(
            reason=failure.reason,
            policy="" if policy is None else policy.name,
            issuer_name=self._issuer_name,
            checks=tuple(self._checks),
            challenge=refusals.challenge(failure.reason, demanded, self._request, policy, self._now),
        )

    def _record(self, refused: Refused) -> None:
        """Record that the check in progress failed, although the request goes on."""
        self._checks.append(Check(self._check_name, passed=False, detail=f"{refused.reason}: {refused.detail}"))

    def _passed(self, detail: str = "") -> None:
        self._checks.append(Check(self._check_name, passed=True, detail=detail))
