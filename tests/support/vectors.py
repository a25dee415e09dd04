"""Decisions on cases in the format of tests/vectors/README.md."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from authgate import issuer_sessions, wiring
from authgate.config.load import load
from authgate.core.decide import decide
from authgate.core.decision import Allow, Deny
from authgate.core.lookups import FindSession
from authgate.core.reasons import Reason
from authgate.sessions import StoredRows
from tests.support.deciding import request_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authgate.core.snapshot import Snapshot
    from authgate.presets.preset import LoadedIssuer

PRESETS = {"better-auth": "better-auth", "authjs": "authjs", "nextauth": "nextauth-v4", "jwt": "jwt"}


@dataclass
class Decided:
    """The decision on a case, and the session tokens that its store was asked for."""

    decision: Allow | Deny
    asked: list[str] = field(default_factory=list)


def settings(case: dict[str, Any], jwks_file: Path) -> dict[str, Any]:
    """Return the configured issuer of *case*. Its public keys are written to *jwks_file*."""
    config, kind = case["config"], case["kind"]
    issuer: dict[str, Any] = {"name": "app", "preset": PRESETS[kind.split("/")[0]]}
    if secrets := config.get("secrets"):
        issuer["secrets"] = [secret["value"] if isinstance(secret, dict) else secret for secret in secrets]
    elif "secret" in config:
        issuer["secret"] = config["secret"]
    else:  # a case with only a JWT has no secret, but the preset requires one
        issuer["secret"] = "a-secret-that-no-case-of-the-corpus-was-made-with-0123456789"
    if issuer["preset"] == "jwt":
        return issuer | {"audiences": "any"}
    issuer |= _read_how(config, kind)
    if "jwks" in config:
        jwks_file.write_text(json.dumps(config["jwks"]))
        is_cookie = kind.endswith("cookie-jwt-jwks")
        issuer |= {"jwks_file": str(jwks_file), "issuer": config["issuer"]}
        issuer["audiences"] = [config["issuer"] if is_cookie else config["audience"]]
    if "sessions" in config or issuer.get("bearer"):  # the store's address; nothing connects to it
        issuer["sessions"] = {"redis": {"url": "redis://127.0.0.1:6379"}}
    return issuer


def _read_how(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the settings of credentials and checks."""
    issuer: dict[str, Any] = {}
    for cookies in (("session_token_cookie", "session_data_cookie"), ("session_cookie",)):
        if cookies[0] in config:
            names = zip(("session_token", "session_data"), cookies, strict=False)
            issuer["cookies"] = {name: config[member] for name, member in names}
    if "strategy" in config:
        issuer["strategies"] = [config["strategy"].removesuffix("-jwks")]
    if "version" in config:
        issuer["cookie_cache_version"] = config["version"]
    if "algorithms" in config:
        issuer["algorithms"] = config["algorithms"]
    if config.get("signed_cookie_secrets") == "all":
        issuer["old_secrets_verify"] = True
    if kind.endswith("bearer-session"):
        issuer["bearer"] = "signed" if config.get("bearer_require_signature") else "raw"
    return issuer


def prepared(case: dict[str, Any], folder: Path, **changes: Any) -> tuple[LoadedIssuer, Snapshot]:
    """Return the issuer of *case*, with *changes* of its settings, and the snapshot. Files are made in *folder*."""
    path = folder / "authgate.json"
    issuer = settings(case, folder / "jwks.json") | changes
    path.write_text(json.dumps({"issuers": [issuer], "leeway_seconds": 0}))
    verified = wiring.prepare(loaded := load(str(path), {}))
    return loaded.issuers[0], verified.snapshot


def decided(case: dict[str, Any], folder: Path, **changes: Any) -> Decided:
    """Return the decision on *case* at its `verify_at`. *changes* replace settings of the issuer."""
    entry, snapshot = prepared(case, folder, **changes)
    records = {token: StoredRows(**body) for token, body in case["config"].get("sessions", {}).items()}
    request = request_with(*case["request"]["headers"].items())
    result = Decided(Deny(reason=Reason.INTERNAL_ERROR))
    for cache in ("cold", "warm"):
        decision = driven(request, snapshot, case["verify_at"], partial(_answer, entry, records, result))
        assert cache == "cold" or _same(decision, result.decision)
        result.decision = decision
    return result


def driven(request: Any, snapshot: Snapshot, now: float, answer: Any) -> Allow | Deny:
    """Return the decision on *request*. *answer* answers the lookups of sessions; nobody has newer keys."""
    steps = decide(request, snapshot, now)
    try:
        lookup = next(steps)
        while True:
            if isinstance(lookup, FindSession):
                lookup = steps.send(answer(lookup))
            else:  # nothing newer
                lookup = steps.send(snapshot.issuer(lookup.issuer_name))
    except StopIteration as done:
        decision: Allow | Deny = done.value
        return decision


def _answer(entry: Any, records: Mapping[str, StoredRows], result: Decided, lookup: FindSession) -> Any:
    result.asked.append(lookup.token)
    record = records.get(lookup.token)
    return None if record is None else issuer_sessions.identity(entry, record, lookup)


def _same(first: Allow | Deny, second: Allow | Deny) -> bool:
    if isinstance(first, Allow):
        return isinstance(second, Allow) and first.headers == second.headers
    return isinstance(second, Deny) and first.reason is second.reason
