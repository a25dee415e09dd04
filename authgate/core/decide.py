"""The decision: route → credential → proof → session → times → csrf → allow. Read this file to know what AuthGate does.

`decide` is a generator. On the warm path (proof remembered, or key in memory) it yields nothing, so a decision is
one function call; where it needs the world it yields a `Lookup` and is resumed with the answer. The checks that it
records are what `authgate explain` prints: there is no second implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.credential import find_credentials
from authgate.core.decision import Allow, Check, Deny
from authgate.core.errors import LookupFailed, Refused
from authgate.core.identity import check_times
from authgate.core.lookups import FindSession, RefreshKeys
from authgate.core.outputs import identity_headers
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.core.credential import Credential
    from authgate.core.decision import Decision
    from authgate.core.identity import Identity
    from authgate.core.lookups import Steps
    from authgate.core.proof import Proof
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Policy, Snapshot, TokenFormat, Unverified


def decide(request: Request, snapshot: Snapshot, now: float) -> Steps[Decision]:
    """Say whether *request* may pass at *now* (unix seconds).

    Never raises for bad input: every path without a proof ends in a `Deny`.
    """
    case = _Case(request, snapshot, now)
    try:
        policy = case.route()
        credentials = case.credentials()
        identity = yield from case.verify(credentials)
        case.check_csrf(credentials[0])
        return case.allow(policy, identity)
    except (Refused, LookupFailed) as refused:
        return case.deny(refused.reason, refused.detail)


class _Case:
    """One request on its way to a decision, and the checks made so far."""

    __slots__ = ("_checking", "_checks", "_issuer", "_now", "_policy", "_request", "_snapshot", "_vouched")

    def __init__(self, request: Request, snapshot: Snapshot, now: float) -> None:
        self._request = request
        self._snapshot = snapshot
        self._now = now
        self._policy = self._issuer = self._vouched = ""
        self._checks: list[Check] = []
        self._checking = ""

    def route(self) -> Policy:
        """Return the first policy that matches."""
        self._checking = "policy"
        for policy in self._snapshot.policies:
            self._policy = policy.name
            self._passed(policy.name)
            return policy
        raise Refused(Reason.NO_POLICY)

    def credentials(self) -> tuple[Credential, ...]:
        """Return what the first place that holds a credential holds: one, or same-named cookies that differ."""
        self._checking = "credential"
        found = find_credentials(self._request, self._snapshot.places)
        if not found:
            looked = ", ".join(place.nothing_in(self._request.headers) for place in self._snapshot.places)
            raise Refused(Reason.NO_CREDENTIAL, f"looked in {looked}")
        self._passed(found[0].found_in)
        return found

    def verify(self, credentials: tuple[Credential, ...]) -> Steps[Identity]:
        """Return the one identity that *credentials* prove, valid now."""
        if len(credentials) == 1:
            identity = yield from self._verify_one(credentials[0])
            return identity
        proven: list[Identity] = []
        for credential in credentials:
            try:
                proven.append((yield from self._verify_one(credential)))
            except Refused as refused:
                self._checks.append(Check(self._checking, passed=False, detail=f"{refused.reason}: {refused.detail}"))
        self._checking = "one identity"
        if not proven or not all(self._same(proven[0], other) for other in proven):
            raise Refused(
                Reason.AMBIGUOUS_CREDENTIAL,
                f"{len(credentials)} cookies of the same name differ and {len(proven)} of them are valid",
            )
        self._passed()
        return proven[0]

    def _same(self, one: Identity, other: Identity) -> bool:
        """Say whether two identities are one person, and look the same to the upstream."""
        outputs = self._snapshot.outputs
        return one.same_person(other) and identity_headers(one, outputs) == identity_headers(other, outputs)

    def _verify_one(self, credential: Credential) -> Steps[Identity]:
        self._checking = "token"
        digest = credential.digest()
        issuer, proof = self._recall(digest) or (yield from self._prove(credential, digest))
        self._issuer = issuer.name
        identity = yield from self._whose(proof, issuer)
        self._passed(f"issuer {identity.issuer}, subject {identity.subject!r}{self._vouched}")
        self._checking = "times"
        check_times(identity, self._now, self._snapshot.leeway_seconds)
        self._passed()
        self._check_account(identity, issuer)
        return identity

    def _recall(self, digest: bytes) -> tuple[Issuer, Proof] | None:
        for issuer in self._snapshot.issuers:
            if proof := self._snapshot.proofs.get(digest, issuer):
                return issuer, proof
        return None

    def _prove(self, credential: Credential, digest: bytes) -> Steps[tuple[Issuer, Proof]]:
        """Return what *credential* proves, and under whose keys; newer ones are asked for where they may help."""
        token_format, token, issuer = self._choose(credential)
        outcome = _verified(token_format, token, issuer)
        # Where a session store can tell, it is asked rather than for keys.
        matters = isinstance(outcome, Refused) or issuer.session_check is SessionCheck.NONE
        if matters and outcome.newer_keys_may_help:
            refreshed: Issuer = yield RefreshKeys(issuer_name=issuer.name, key_id=token.key_id)
            if refreshed.fingerprint != issuer.fingerprint:
                issuer = refreshed
                self._snapshot = self._snapshot.with_issuer(issuer)  # for further cookies, too
                outcome = _verified(token_format, token, issuer)
        if isinstance(outcome, Refused):
            raise outcome
        if outcome.is_cacheable:
            self._snapshot.proofs.put(digest, issuer, outcome, size=credential.size, now=self._now)
        return issuer, outcome

    def _choose(self, credential: Credential) -> tuple[TokenFormat, Unverified, Issuer]:
        """Return the token in *credential*, unverified, whose it claims to be, and that issuer's format for it."""
        candidates = [
            (issuer, token_format)
            for issuer in self._snapshot.issuers
            if credential.issuer_name in {"", issuer.name}
            for token_format in issuer.formats
            if token_format.recognizes(credential)
        ]
        if not candidates:
            raise Refused(Reason.MALFORMED_TOKEN, _shape(credential))
        parser = candidates[0][1]
        token = parser.parse(credential)
        alike = [(issuer, one) for issuer, one in candidates if one.shape == parser.shape]
        issuer = token.choose_issuer(tuple(issuer for issuer, _ in alike))
        self._issuer = issuer.name
        return next(one for candidate, one in alike if candidate is issuer), token, issuer

    def _whose(self, proof: Proof, issuer: Issuer) -> Steps[Identity]:
        """Return whom *proof* is about: by itself while that may be believed, else by the session store."""
        if proof.session is None:
            if proof.identity is None:  # no format makes such a proof
                raise Refused(proof.reason, proof.detail)
            return proof.identity
        self._passed("its signature holds" if proof.session.was_signed else "a session token, which nobody signs")
        self._checking = "session"
        fresh = proof.identity is not None and self._now < proof.fresh_until
        if proof.identity is not None and fresh and issuer.session_check is not SessionCheck.ALWAYS:
            self._vouched = ", by the data cookie"
            return proof.identity
        if issuer.session_check is SessionCheck.NONE:
            raise Refused(proof.reason, f"{proof.detail}; no session store is configured that could tell more")
        client_ip = str(self._request.client_ip or "")
        identity: Identity | None = yield FindSession(
            issuer_name=issuer.name,
            token=proof.session.token,
            signed_token=proof.session.signed_token,
            client_ip=client_ip,
        )
        if identity is None:
            raise Refused(Reason.SESSION_NOT_FOUND, "the session store has no such session")
        if identity.expires_at is None or self._now >= identity.expires_at:
            raise Refused(Reason.SESSION_NOT_FOUND, "the session has expired")
        self._vouched = ", by the session store"
        return identity

    def _check_account(self, identity: Identity, issuer: Issuer) -> None:
        """Refuse users who are known and not wanted: banned, or not signed in with an account."""
        if issuer.refuses_banned and identity.is_banned:
            self._checking = "banned"
            if identity.is_banned_at(self._now):
                raise Refused(Reason.BANNED_USER, f"subject {identity.subject!r}")
            self._passed("the ban is over")
        if issuer.refuses_anonymous and identity.is_anonymous:
            self._checking = "anonymous"
            raise Refused(Reason.ANONYMOUS_USER, f"subject {identity.subject!r}")

    def check_csrf(self, credential: Credential) -> None:
        """Refuse a cookie that a browser sent from another site."""
        if self._snapshot.csrf is None or not credential.from_cookie:
            return
        self._checking = "csrf"
        self._snapshot.csrf.check(self._request)
        self._passed()

    def allow(self, policy: Policy, identity: Identity) -> Allow:
        """Return the `Allow`: the only place that makes one."""
        self._checking = "headers"
        headers = identity_headers(identity, self._snapshot.outputs)
        self._passed()
        return Allow(policy=policy.name, identity=identity, headers=headers, checks=tuple(self._checks))

    def deny(self, reason: Reason, detail: str) -> Deny:
        """Return the `Deny` that *reason* stands for, with the check that failed as the last one."""
        self._checks.append(Check(self._checking, passed=False, detail=detail))
        return Deny(reason=reason, policy=self._policy, issuer_name=self._issuer, checks=tuple(self._checks))

    def _passed(self, detail: str = "") -> None:
        self._checks.append(Check(self._checking, passed=True, detail=detail))


def _verified(token_format: TokenFormat, token: Unverified, issuer: Issuer) -> Proof | Refused:
    """Return what *token* proves under the keys of *issuer*, or why it is refused."""
    try:
        return token_format.verify(token, issuer)
    except Refused as refused:
        return refused


def _shape(credential: Credential) -> str:
    """Say what an unrecognised token looks like, without quoting it."""
    token = credential.token or credential.parts[0][1]
    if token.startswith("{"):
        return "a JSON object; only the compact serialisation of a JWS is read"
    parts = token.count(".") + 1
    if credential.issuer_name:
        return (
            f"a session cookie of {parts} parts between dots: encrypted ones have 5, opaque ones need a session store"
        )
    if parts == 2:
        return "2 parts between dots, as a session token of Better Auth has: no issuer takes one here (`bearer`)"
    if parts == 5:
        return "5 parts between dots: an encrypted token (JWE), which no configured issuer uses"
    return f"{len(token)} characters in {parts} parts between dots; a JWT has 3 parts"
