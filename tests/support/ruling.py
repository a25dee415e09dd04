"""Rules, policies and facts for tests, written as the configuration writes them."""

from __future__ import annotations

import sys
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from authgate.config.load import load
from authgate.config.rule_model import RuleConfig, make_rule
from authgate.core import rules
from authgate.core.identity import Identity
from authgate.core.paths import parse_pattern
from authgate.core.policies import Policies
from authgate.core.policy import Access, Match
from authgate.core.request import make_request
from authgate.core.rules import Facts, judge
from authgate.wiring import prepare
from tests.support.deciding import decide_token, make_policy, make_snapshot
from tests.support.tokens import NOW, SECRET, claims, mint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate.core.decision import Decision
    from authgate.core.policy import Policy
    from authgate.core.request import Request
    from authgate.core.rules import Rule, Truth
    from authgate.core.snapshot import Snapshot

ABSENT: Any = rules.ABSENT
"""As the value of a claim: the token does not have it."""


def rule(settings: dict[str, Any]) -> Rule:
    """Return the rule that the configuration describes with *settings*."""
    return make_rule(RuleConfig.model_validate(settings))


def facts(identity: Identity | None = None, *, client: str | None = None, leeway: float = 30.0, **fields: Any) -> Facts:
    """Return facts at NOW about *identity*, or about one with *fields*."""
    identity = identity or Identity(**{"issuer": "app", "format": "jwt", "subject": "user-1"} | fields)
    address = None if client is None else ip_address(client)
    return Facts(identity=identity, now=NOW, client_ip=address, leeway_seconds=leeway)


def truth(settings: dict[str, Any], about: Facts) -> Truth:
    """Return whether the rule that *settings* describe is true of *about*."""
    return judge(rule(settings), about).truth


def identity_of(**changes: Any) -> Identity:
    """Return the identity that a real token with these claims proves. ABSENT leaves a claim out."""
    payload = {name: value for name, value in (claims() | changes).items() if value is not ABSENT}
    decision = decide_token(mint(payload), make_snapshot(account_rules=(), outputs=()))
    identity = getattr(decision, "identity", None)
    assert identity is not None, decision
    return identity


def decide_ruled(settings: dict[str, Any], **changes: Any) -> Decision:
    """Return the decision on a token with these claims, under a policy with the rule that *settings* describe."""
    return decide_token(mint(claims() | changes), make_snapshot(rule=rule(settings), account_rules=()))


def policy(name: str, path: str | tuple[str, ...] = (), access: Access = Access.REQUIRE, **changes: Any) -> Policy:
    """Return a policy for *path*. *changes* are those of the policy and of its match."""
    in_match = {key: changes.pop(key) for key in ("hosts", "methods", "clients") if key in changes}
    paths = (path,) if isinstance(path, str) else path
    patterns = tuple(parse_pattern(text) for text in paths)
    match = Match(paths=patterns, exactly=access is not Access.REQUIRE, **in_match)
    return make_policy(name=name, match=match, access=access, **changes)


def policies(*listed: Policy, **changes: Any) -> Policies:
    return Policies(policies=listed, **changes)


def asked(
    path: str = "/",
    *headers: tuple[str, str],
    method: str = "GET",
    host: str = "app.example.com",
    client: str | None = None,
) -> Request:
    """Return a request from *client*."""
    return make_request(
        method=method,
        scheme="https",
        authority=host,
        target=path,
        headers=CIMultiDict(headers),
        adapter="test",
        client_ip=None if client is None else ip_address(client),
    )


def configured(folder: Path, text: str, environ: dict[str, str] | None = None) -> Snapshot:
    """Return the snapshot of the configuration *text*, checked as `authgate serve` checks it."""
    file = folder / "authgate.yaml"
    file.write_text(text)
    return prepare(load(str(file), environ or {"JWT_SECRET": SECRET.decode()})).snapshot


def count_calls(action: Callable[[], object]) -> Counter[str]:
    """Return how many Python functions of each file *action* calls."""
    files: Counter[str] = Counter()

    def count(frame: Any, event: str, _arg: object) -> None:
        if event == "call":
            files[frame.f_code.co_filename] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return files
