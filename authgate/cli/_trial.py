"""Decide the cases of `authgate test`, and compare each decision with what is expected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from multidict import CIMultiDict

from authgate.answers import Answers
from authgate.cli import _findings
from authgate.cli._cases import sent_headers
from authgate.cli._deciding import clock_at, deciding
from authgate.core.credential import find_credentials
from authgate.core.decision import Allow, deny_unreadable
from authgate.core.errors import Refused, Unreadable
from authgate.core.quoting import quoted
from authgate.core.reasons import REASONS, Fault, Reason
from authgate.core.snapshot import Issuers
from authgate.gate import Gate
from authgate.tokens import LruProofCache, stated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.app import Prepared
    from authgate.cli._cases import ReadyCase
    from authgate.core.decision import Decision, Deny
    from authgate.core.policies import Policies
    from authgate.core.policy import Policy
    from authgate.core.request import Request
    from authgate.core.snapshot import Snapshot


class Result(NamedTuple):
    """A case, the decision, and what is not as expected: "" if everything is."""

    case: ReadyCase
    decision: Decision
    failure: str


async def run(cases: Sequence[ReadyCase], prepared: Prepared) -> list[Result]:
    """Return the result of each case. Keys and stores are loaded only if a case has a credential of its own."""
    policies = prepared.snapshot.policies
    snapshot = _stated(prepared.snapshot, cases)
    decisions: dict[int, Decision] = {}
    to_verify: list[tuple[ReadyCase, Request]] = []
    for case in cases:
        if case.request is None:
            unreadable = Unreadable(Reason.UNREADABLE_REQUEST, "the request cannot be read")
            headers = CIMultiDict(sent_headers(case.written))
            decisions[case.number] = deny_unreadable(unreadable, prepared.snapshot.refusals, headers)
        elif case.identity is None and _has_credential(case.request, policies):
            to_verify.append((case, case.request))
        else:
            chosen = prepared.snapshot if case.identity is None else snapshot
            gate = Gate(chosen, Answers({}, {}), clock_at(case.at))
            decisions[case.number] = await gate.decide(case.request)
    if to_verify:
        async with deciding(prepared) as decider:
            for case, request in to_verify:
                decisions[case.number] = await decider.decide(request, case.at)
    return [Result(case, decisions[case.number], _failure(case, decisions[case.number])) for case in cases]


def _stated(snapshot: Snapshot, cases: Sequence[ReadyCase]) -> Snapshot:
    """Return *snapshot* with one difference: credentials are the identities that *cases* state."""
    identities = tuple(case.identity for case in cases if case.identity is not None)
    formats = (stated.StatedFormat(identities=identities),)
    policies = tuple(replace(policy, places=_places(policy)) for policy in snapshot.policies.policies)
    return replace(
        snapshot,
        issuers=Issuers(replace(issuer, formats=formats) for issuer in snapshot.issuers),
        policies=replace(snapshot.policies, policies=policies),
        proofs=LruProofCache(),
    )


def _places(policy: Policy) -> tuple[stated.StatedPlace, ...]:
    """Return the place of a stated identity. `csrf` applies if browsers fill any place of *policy* by themselves."""
    return (stated.StatedPlace(sent_by_browsers=any(place.sent_by_browsers for place in policy.places)),)


def _has_credential(request: Request, policies: Policies) -> bool:
    try:
        return any(find_credentials(request, policy.places) for policy in policies.policies)
    except Refused:
        return True


def _failure(case: ReadyCase, decision: Decision) -> str:
    """Return what was expected and what the decision is, "" if they agree."""
    expect = case.expect
    if isinstance(decision, Allow):
        got = f"allow by policy {decision.policy}{'' if decision.identity is not None else ', anonymous'}"
        fits = expect.outcome == "allow"
    else:
        got = f"deny with reason {decision.reason}{''.join(_why(decision))}"
        if expect.answer is not None:
            got += f", and the answer {decision.challenge.delivery}"
        is_ours = REASONS[decision.reason].fault is Fault.OURS  # an outage must not pass for a policy that refuses
        fits = expect.outcome == "deny" and expect.reason in ({decision.reason} if is_ours else {decision.reason, None})
        fits = fits and expect.answer in {None, decision.challenge.delivery}
    fits = fits and expect.policy in {None, decision.policy}
    wrong = [*_wrong_headers(case, decision)] if fits and isinstance(decision, Allow) else []
    if fits and not wrong:
        return ""
    expected = expect.outcome + (f" with reason {expect.reason}" if expect.reason else "")
    expected += f" by policy {expect.policy}" if expect.policy else ""
    expected += f", and the answer {expect.answer}" if expect.answer else ""
    return "; ".join(wrong) if wrong else f"expected {expected}; got {got}"


def _why(deny: Deny) -> Iterator[str]:
    """Yield the policy, and the rule that is not true or the detail of the check that failed."""
    if deny.policy:
        yield f" by policy {deny.policy}"
    finding = deny.checks[-1].finding if deny.checks else None
    if finding is not None:
        yield f" ({_findings.named(finding.failed())})"
    elif deny.detail:
        yield f" ({deny.detail})"


def _wrong_headers(case: ReadyCase, allow: Allow) -> Iterator[str]:
    headers = {name.lower(): value for name, value in allow.headers}
    for name, expected in case.expect.headers.items():
        if headers[name.lower()] != expected:
            yield f"header {name}: expected {quoted(expected, 256)}; got {quoted(headers[name.lower()], 256)}"
