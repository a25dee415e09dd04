"""A configured identity provider: the configuration of its page in docs/issuers, with the tests' keys for its own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import yaml

from authgate.config.load import load
from authgate.core.decision import Allow
from authgate.core.reasons import REASONS
from authgate.wiring import prepare
from tests.situations.explained import Explained
from tests.support.deciding import decide_now, request_with
from tests.support.documented import blocks
from tests.support.processes import ROOT
from tests.support.tokens import NOW, mint, public_jwk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from authgate.app import Prepared
    from authgate.config.load import LoadedConfig
    from authgate.core.snapshot import Snapshot

KEY_ID = "key-1"


def its_tests(name: str) -> ModuleType:
    """Return the module with the tests of the provider of preset *name*: its TOKENS, SLIPS and PUBLISHED."""
    return import_module(f"tests.presets.test_{name.replace('-', '_')}")


def times(seconds: int = 3600, *, begins: bool = False) -> dict[str, int]:
    """Return `iat` and `exp` of a token that is valid at NOW; `nbf`, too, if it *begins*."""
    issued = int(NOW) - 5
    return {"iat": issued, "exp": issued + seconds} | ({"nbf": issued} if begins else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token with *claims*, and the decision on it: *answer*, with *headers* or the *detail* of the refusal.

    *settings* replace those of the page. *header* and *claims* may have `...` for what is left out. *place* is the
    header that holds the token, or `cookie:NAME`.
    """

    name: str
    claims: Mapping[str, Any]
    answer: str = "200"
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    place: str = "Authorization"
    algorithm: str = "RS256"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """Wrong *settings*, the *setting* that is named, and a part of the *message* or of its fix."""

    settings: Mapping[str, Any]
    setting: str
    message: str

    def __str__(self) -> str:
        return str(dict(self.settings))


class Provider:
    """The identity provider of the page docs/issuers/*page*.md. Its tests change its documented configuration.

    *header* are members of the header that all of its tokens have; `...` leaves one out.
    """

    def __init__(self, page: str, header: Mapping[str, Any] | None = None) -> None:
        self.page = f"docs/issuers/{page}.md"
        self.header = {"kid": KEY_ID, "typ": "JWT"} | dict(header or {})
        self.text = (ROOT / self.page).read_text()

    def configuration(self, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the page's configuration. *settings* replace those of its issuer; None leaves one out."""
        config: dict[str, Any] = yaml.safe_load(blocks(self.page, "Configuration", "yaml")[0])
        (issuer,) = config["issuers"]
        issuer |= settings or {}
        config["issuers"] = [{name: value for name, value in issuer.items() if value is not None}]
        return config

    def load(self, folder: Path, settings: Mapping[str, Any] | None = None, **rest: Any) -> LoadedConfig:
        """Return the page's configuration as AuthGate reads it. *rest* are settings at the top."""
        file = folder / "authgate.yaml"
        file.write_text(yaml.safe_dump(self.configuration(settings) | rest))
        return load(str(file), {})

    def problems(self, folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
        """Return what is wrong with the configuration and how to fix it, by the name of the issuer's setting."""
        problems = self.load(folder, settings).problems
        return {one.setting.removeprefix("issuers[0]."): f"{one.message} → {one.fix}" for one in problems}

    def prepared(
        self, folder: Path, settings: Mapping[str, Any] | None = None, *, algorithm: str = "RS256", **rest: Any
    ) -> Prepared:
        """Return the page's configuration, made ready. Its keys are the tests' keys for RS256 and for *algorithm*."""
        keys = folder / "jwks.json"
        published = [public_jwk(name, KEY_ID, use="sig") for name in dict.fromkeys(("RS256", algorithm))]
        keys.write_text(json.dumps({"keys": published}))
        given = {"jwks_file": str(keys)} | dict(settings or {})
        return prepare(self.load(folder, given, **rest))

    def decide(
        self,
        folder: Path,
        claims: Mapping[str, Any],
        *,
        settings: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        algorithm: str = "RS256",
        place: str = "Authorization",
        key: Any = None,
        url_path: str = "/",
        **rest: Any,
    ) -> Explained:
        """Return the decision at NOW on a token with *claims*; `...` leaves a claim or a member of the header out.

        *place* is the header that holds the token, or `cookie:NAME`. *key* signs; by default the tests' key.
        """
        prepared = self.prepared(folder, settings, algorithm=algorithm, **rest)
        token = Token(name="", claims=claims, header=header or {}, place=place, algorithm=algorithm)
        return self.decide_under(prepared.snapshot, token, key, url_path)

    def decide_under(self, snapshot: Snapshot, token: Token, key: Any = None, url_path: str = "/") -> Explained:
        """Return the decision at NOW on *token* under *snapshot*. *key* signs; by default the tests' key."""
        members = self.header | dict(token.header)
        text = mint(_given(token.claims), algorithm=token.algorithm, key=key, header=_given(members))
        if token.place == "Authorization":
            sent = ("Authorization", f"Bearer {text}")
        elif token.place.startswith("cookie:"):
            sent = ("Cookie", f"{token.place.removeprefix('cookie:')}={text}")
        else:
            sent = (token.place, text)
        decision = decide_now(request_with(sent, url_path=url_path), snapshot)
        if isinstance(decision, Allow):
            return Explained(answer="200", headers=dict(decision.headers), detail=decision.checks[-1].detail)
        answer = f"{REASONS[decision.reason].status} {decision.reason}"
        return Explained(answer=answer, detail=decision.detail)

    def check(self, folder: Path, token: Token, *, key: Any = None) -> None:
        """Assert that *token* gets its decision. *key* signs; by default the tests' key."""
        decision = self.decide(
            folder,
            token.claims,
            settings=token.settings,
            header=token.header,
            algorithm=token.algorithm,
            place=token.place,
            key=key,
        )
        assert decision.answer == token.answer, decision.detail
        assert decision.headers.items() >= token.headers.items()
        assert token.detail in decision.detail

    def check_slip(self, folder: Path, slip: Slip) -> None:
        """Assert that a configuration with *slip* is rejected, with its message."""
        problems = self.problems(folder, slip.settings)
        assert slip.setting in problems, problems
        assert slip.message
        assert slip.message in problems[slip.setting]

    def sections(self) -> list[str]:
        """Return the headings of the page."""
        return re.findall(r"^## (.+)$", self.text, re.MULTILINE)


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ...}
