"""The decision. Read this file to know what AuthGate does.

    route → (preflight) → credential → proof → session → times → user id → rules → csrf → allow

`decide` is a generator. If the proof is cached or the key is in memory, it yields nothing, and a decision is a single
function call. Otherwise it yields a `Lookup` and is resumed with the answer. `authgate explain` prints the checks that
`decide` records: there is no second implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.attempts import TooManyAttempts
from authgate.core.authorization import check_account, check_rules
from authgate.core.challenge import NO_CHALLENGE, RuleFailed
from authgate.core.cors import preflight_method
from authgate.core.credential import find_credentials, is_sent_by_browsers
from authgate.core.decision import Allow, Check, Deny
from authgate.core.errors import LookupFailed, Refused
from authgate.core.evaluation import Evaluation
from authgate.core.identification import ENDED, identify, identify_all, recall
from authgate.core.outputs import check_user_id, identity_headers, unknown_headers
from authgate.core.policy import Access
from authgate.core.reasons import Reason
from authgate.core.rules import Facts
from authgate.core.transcript import Failed

if TYPE_CHECKING:
    from authgate.core.cached_proof import CachedProof
    from authgate.core.credential import Credential
    from authgate.core.csrf import CsrfRule
    from authgate.core.decision import Decision
    from authgate.core.header_lines import HeaderLines
    from authgate.core.identity import Identity
    from authgate.core.lookups import Steps
    from authgate.core.policy import Policy
    from authgate.core.request import Headers, Request
    from authgate.core.snapshot import Issuer, Snapshot


def decide(request: Request, snapshot: Snapshot, now: float) -> Steps[Decision]:
    """Return whether *request* may pass at *now* (Unix seconds).

    Never raises for bad input: every path without a proof ends in a `Deny`, except where the policy asks for none.
    """
    evaluation = Evaluation(request, snapshot, now)
    try:
        policy = _route(evaluation)
        if request.method == "OPTIONS" and preflight_method(request):
            _check_preflight(evaluation, policy)
            return _allow(evaluation, policy, None)
        credentials = _find_credentials(evaluation, policy)
        identity: Identity | None = None  # anonymous
        try:  # proof → session → times
            if len(credentials) == 1:
                identity = recall(evaluation, credentials[0]) or (yield from identify(evaluation, credentials[0]))
            elif credentials:
                identity = yield from identify_all(evaluation, policy, credentials)
        except Refused as refused:
            if policy.access is not Access.OPTIONAL or refused.reason not in ENDED:
                raise
            evaluation.record_failure(refused)
        if identity is not None:
            if policy.looks_at_users:
                _check_user(evaluation, policy, identity)
            if policy.csrf is not None and is_sent_by_browsers(credentials[0].found_in):
                _check_csrf(evaluation, policy.csrf)
        return _allow(evaluation, policy, identity)
    except (Refused, LookupFailed, TooManyAttempts) as failure:
        return _deny(evaluation, failure)


def _route(evaluation: Evaluation) -> Policy:
    """Return the first policy that matches."""
    evaluation.check_name = "policy"
    policy, evaluation.paths = evaluation.snapshot.policies.find(evaluation.request)
    evaluation.policy = policy
    evaluation.checks.add(("policy", policy.name))
    return policy


def _check_preflight(evaluation: Evaluation, policy: Policy) -> None:
    """Refuse a preflight of an origin that *policy* does not allow, unless the policy lets anonymous requests pass.

    A preflight is anonymous, whatever it carries. The service answers it.
    """
    evaluation.check_name = "cors"
    if policy.access is Access.REQUIRE:
        policy.cors.check_preflight(evaluation.request)
    evaluation.checks.add(("cors", "a preflight, which is anonymous"))


def _find_credentials(evaluation: Evaluation, policy: Policy) -> tuple[Credential, ...]:
    """Return the credentials in the first place that has any. Several are cookies of the same name.

    There are none if *policy* is public, or if it is optional and the request has none.
    """
    if policy.access is Access.PUBLIC:
        return ()
    evaluation.check_name = "credential"
    headers = evaluation.request.headers
    credentials = find_credentials(evaluation.request, policy.places)
    if not credentials and policy.access is Access.REQUIRE:
        raise Refused(Reason.NO_CREDENTIAL, lambda: _describe_absence(policy, headers))
    evaluation.checks.add(("credential", credentials[0].found_in if credentials else "none, and none is needed"))
    return credentials


def _describe_absence(policy: Policy, headers: Headers) -> str:
    return f"looked in {', '.join(place.describe_absence(headers) for place in policy.places)}"


def _check_user(evaluation: Evaluation, policy: Policy, identity: Identity) -> None:
    """Refuse *identity* unless the header that carries the user's id has a value, and *policy* accepts the user."""
    if policy.user_id is not None:
        evaluation.check_name = "user id"
        check_user_id(identity, policy.user_id)
    if not policy.has_demands:
        return
    leeway_seconds = evaluation.snapshot.leeway_seconds
    facts = Facts(identity, evaluation.now, evaluation.request.client_ip, leeway_seconds)
    if policy.account_rules:
        evaluation.check_name = "account"
        check_account(policy, facts)
    evaluation.check_name = "rules"
    finding = check_rules(policy, facts, evaluation.paths)
    if finding is not None:
        evaluation.checks.add(Check("rules", passed=True, finding=finding))


def _check_csrf(evaluation: Evaluation, csrf: CsrfRule) -> None:
    """Refuse a credential that a browser sent by itself, with a request that another site made."""
    evaluation.check_name = "csrf"
    csrf.check(evaluation.request)
    evaluation.checks.add(("csrf", ""))


def _allow(evaluation: Evaluation, policy: Policy, identity: Identity | None) -> Allow:
    """Return the `Allow`. No other function makes one."""
    evaluation.check_name = "headers"
    if identity is None:
        headers = policy.anonymous_headers or identity_headers(None, policy.outputs)
        evaluation.checks.add(("headers", "anonymous: all are empty"))
        return Allow(policy.name, None, headers, evaluation.checks)
    cached = evaluation.cached
    if cached is None or evaluation.recalled is not identity:
        headers = identity_headers(identity, policy.outputs)
    elif cached[1].outputs is policy.outputs and (lines := cached[1].lines) is not None:
        headers = lines  # as `_cached_headers` returns them, without two calls
    else:
        headers = _cached_headers(evaluation, policy, identity, *cached)
    if policy.fields.isdisjoint(identity.unknown):
        evaluation.checks.add(("headers", ""))
    else:
        evaluation.checks.add(("headers", unknown_headers, identity, policy.outputs))
    return Allow(policy.name, identity, headers, evaluation.checks)


def _cached_headers(
    evaluation: Evaluation, policy: Policy, identity: Identity, issuer: Issuer, entry: CachedProof
) -> HeaderLines:
    """Return the headers about *identity*, whose proof *entry* has. They are made once, and cached in *entry*."""
    headers = entry.lines_for(policy.outputs)
    if headers is None:
        headers = identity_headers(identity, policy.outputs)
        evaluation.snapshot.proofs.cache_lines(evaluation.digest, issuer, entry, policy.outputs, headers)
    return headers


def _deny(evaluation: Evaluation, failure: Refused | LookupFailed | TooManyAttempts) -> Deny:
    """Return the `Deny` for *failure*. Its last check is the one that failed."""
    finding, demanded = None, NO_CHALLENGE
    if isinstance(failure, RuleFailed):
        finding, demanded = failure.finding, failure.challenge
    detail = failure.unread_detail if isinstance(failure, Refused) else failure.detail
    evaluation.checks.add(Failed(evaluation.check_name, detail, finding))
    policy, refusals = evaluation.policy, evaluation.snapshot.refusals
    return Deny(
        reason=failure.reason,
        policy="" if policy is None else policy.name,
        issuer_name=evaluation.issuer_name,
        checks=evaluation.checks,
        challenge=refusals.challenge(failure.reason, demanded, evaluation.request, policy, evaluation.now),
    )
