"""What `authgate explain` says of one request, under a configuration that a test writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core.reasons import REASONS
from tests.support import commands
from tests.support.tokens import NOW, public_jwk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

URL = "https://api.example.com/api/v1/tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The decision. *answer* is "200", or the status and the reason of the refusal, such as "401 wrong_type".

    *headers* are the identity headers. *detail* is that of the check that failed, "" if none did. *hints* are the
    causes that were tested and hold. *text* is everything that people read.
    """

    answer: str
    headers: dict[str, str] = field(default_factory=dict)
    detail: str = ""
    hints: tuple[str, ...] = ()
    text: str = ""


def explained(
    folder: Path, config: str, headers: Mapping[str, str], *, method: str = "GET", url: str = URL, at: float = NOW
) -> Explained:
    """Return the decision on one request at *at*, with the YAML text *config* as configuration.

    Relative paths in *config*, such as `jwks_file: jwks.json`, are in *folder*, where `publish` writes them.
    """
    (folder / "authgate.yaml").write_text(config.replace("_file: ", f"_file: {folder}/"))
    (folder / "request.json").write_text(json.dumps({"method": method, "url": url, "headers": dict(headers)}))
    arguments = ("explain", "--config", folder / "authgate.yaml", "--request", folder / "request.json", "--at", at)
    ended = commands.authgate(*arguments, "--json", environ={})
    assert ended.returncode in {0, 1}, ended.stderr
    decision = json.loads(ended.stdout)
    failed = [check["detail"] for check in decision["checks"] if not check["passed"]]
    reason = decision["reason"]
    return Explained(
        answer="200" if reason is None else f"{REASONS[reason].status} {reason}",
        headers=decision["headers"],
        detail=failed[-1] if failed else "",
        hints=tuple(decision["hints"]),
        text=commands.authgate(*arguments, environ={}).stdout,
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def publish(folder: Path, *keys: Mapping[str, Any], name: str = "jwks.json") -> None:
    """Write the JWK Set of *keys*, by default the tests' RS256 key without `kid`."""
    (folder / name).write_text(json.dumps({"keys": list(keys) or [public_jwk("RS256")]}))
