"""Read the file of `authgate test`: every case that can be decided, or every mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from pydantic import ValidationError

from authgate.cli import _described
from authgate.cli._case_model import Case
from authgate.config import _yaml
from authgate.config._outbound import redacted
from authgate.config._report import did_you_mean, problems_of
from authgate.core.errors import Problem, Unreadable
from authgate.core.identity import FIELDS
from authgate.core.quoting import escaped
from authgate.files import read_bounded, unreadable_reason
from authgate.policies import header_names
from authgate.presets import PRESETS
from authgate.tokens import stated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.app import Prepared
    from authgate.cli._case_model import Expectation, RequestCase
    from authgate.core.identity import Identity
    from authgate.core.request import Request
    from authgate.presets.preset import LoadedIssuer

MAX_BYTES = 1024 * 1024
MAX_CASES = 10_000
MAX_TOKEN_BYTES = 64 * 1024
_DOCS = "docs/policy-tests.md describes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyCase:
    """A case to decide. *request* is None if it cannot be read, which its expectation says. *at* None is now.

    *identity* is the stated one, whose number is in the request; None if nobody is signed in, or with a token.
    """

    number: int
    name: str
    written: RequestCase
    request: Request | None
    identity: Identity | None
    at: float | None
    expect: Expectation


class BadCases(Exception):
    """The file cannot be used. *problems* has every mistake."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def read(path: str, prepared: Prepared, entries: Sequence[LoadedIssuer]) -> list[ReadyCase]:
    """Return the cases in the file at *path*. *entries* are the issuers of *prepared*. Raises `BadCases`."""
    items = _items(path)
    reader = _Reader(prepared, entries, Path(path).parent)
    cases = [reader.case(number, item) for number, item in enumerate(items, start=1)]
    if reader.problems:
        raise BadCases(*reader.problems)
    return [case for case in cases if case is not None]


def sent_headers(request: RequestCase) -> list[tuple[str, str]]:
    """Return the headers that the client sends, as they are written in the file."""
    return [(name, value.get_secret_value()) for name, values in request.headers.items() for value in values]


def _items(path: str) -> list[Any]:
    """Return the list in the file at *path*."""
    try:
        document = _yaml.parse(read_bounded(path, MAX_BYTES).decode())
    except _yaml.BadYaml as error:
        raise BadCases(Problem(setting="the file", message=f"is not valid YAML: {error}", fix=error.fix)) from None
    except (OSError, ValueError) as error:  # the path is not quoted: it may be a token
        fix = "check the path; the file is text of 1 MiB at most"
        problem = Problem(setting="the file", message=f"cannot be read: {unreadable_reason(error)}", fix=fix)
        raise BadCases(problem) from None
    if document.repeated_keys:
        repeated = (Problem(setting="the file", message=m, fix=_yaml.FIX_REPEATED) for m in document.repeated_keys)
        raise BadCases(*repeated)
    items = document.value
    fault = None
    if not isinstance(items, list):
        fault = "is not a list of cases"
    elif not items:
        fault = "has no case"
    elif len(items) > MAX_CASES:
        fault = f"has {len(items):,} cases; at most {MAX_CASES:,} are allowed"
    if fault is not None:
        raise BadCases(Problem(setting="the file", message=fault, fix="write a list of cases: docs/policy-tests.md"))
    return list(items)


class _Reader:
    """Reads cases one by one, and collects the *problems* of all."""

    def __init__(self, prepared: Prepared, entries: Sequence[LoadedIssuer], folder: Path) -> None:
        self.problems: list[Problem] = []
        self._prepared = prepared
        self._entries = {entry.config.name: entry for entry in entries}
        self._policies = [policy.name for policy in prepared.snapshot.policies.policies]
        self._headers = header_names(prepared.config)
        self._folder = folder
        self._label = ""
        self._identity_count = 0

    def case(self, number: int, item: object) -> ReadyCase | None:
        """Return the case *item*, or None if it has a problem."""
        before = len(self.problems)
        name = item.get("name") if isinstance(item, dict) else None
        self._label = f"case {number}" + (f" ({escaped(name)[:60]})" if isinstance(name, str) and name else "")
        try:
            case = Case.model_validate(item)
        except ValidationError as error:
            for problem in problems_of(error, Case):
                setting = "" if problem.setting == "configuration" else problem.setting
                self._add(setting, problem.message, problem.fix.replace("docs/configuration.md describes it", _DOCS))
            return None
        identity = self._identity(case)
        request = self._request(case, identity)
        self._check_expectation(case.expect)
        if len(self.problems) > before:
            return None
        return ReadyCase(
            number=number,
            name=case.name or f"{case.request.method} {case.request.url}",
            written=case.request,
            request=request,
            identity=identity,
            at=case.at,
            expect=case.expect,
        )

    def _add(self, setting: str, message: str, fix: str) -> None:
        place = f"{self._label}, {setting}" if setting else self._label
        self.problems.append(Problem(setting=place, message=message, fix=fix))

    def _request(self, case: Case, identity: Identity | None) -> Request | None:
        """Return the request with its credential. It must be readable, or the case must expect that it is not."""
        written = case.request
        pairs = sent_headers(written)
        if (token := self._token(case)) is not None:
            if "Authorization" in CIMultiDict(pairs):
                self._add("request.headers", "has Authorization, and the case has a token", "remove one of them")
            pairs.append(("Authorization", f"Bearer {token}"))
        if identity is not None:
            pairs.append((stated.HEADER, str(self._identity_count)))
            self._identity_count += 1
        description = {"method": written.method, "url": written.url, "headers": pairs}
        try:
            return _described.make(description, self._prepared.config, written.client_ip)
        except Unreadable as unreadable:
            if case.expect.reason is not unreadable.reason:
                fix = "correct it; if this is what you test, expect {outcome: deny, reason: unreadable_request}"
                self._add("request", f"cannot be read: {unreadable.detail}", fix)
            return None

    def _token(self, case: Case) -> str | None:
        given = [name for name in ("identity", "token", "token_file") if getattr(case, name) is not None]
        if len(given) > 1:
            self._add("", f"has {' and '.join(given)}", "keep one of them; without any, nobody is signed in")
            return None
        token = case.token.get_secret_value() if case.token is not None else None
        if case.token_file is not None:
            try:
                token = read_bounded(self._folder / case.token_file, MAX_TOKEN_BYTES).decode()
            except (OSError, ValueError) as error:
                self._add("token_file", f"cannot be read: {unreadable_reason(error)}", "write the path of a file")
                return None
        if token is None:
            return None
        token = token.strip().removeprefix("Bearer ")
        if not token or len(token.split()) != 1:
            fix = "write a token alone; put cookies into request.headers"
            self._add(given[0], "is not one token (not shown)", fix)
            return None
        return token

    def _identity(self, case: Case) -> Identity | None:
        if case.identity is None:
            return None
        given = {name: getattr(case.identity, name) for name in case.identity.model_fields_set}
        issuer = given.get("issuer") or next(iter(self._entries))
        entry = self._entries.get(issuer)
        if entry is None:
            self._add("identity.issuer", f"{redacted(issuer)} is not an issuer", did_you_mean(issuer, self._entries))
            return None
        formats = [each.name for each in self._prepared.snapshot.issuer(issuer).formats]
        token_format = given.get("format") or formats[0]
        if token_format not in formats:
            fix = did_you_mean(token_format, formats)
            self._add("identity.format", f"{redacted(token_format)} is not a format of issuer {issuer}", fix)
        named = set(given) & set(FIELDS)
        stated_by_issuer = PRESETS[entry.config.preset].states(entry) | {"issuer", "format", "subject"}
        for name in sorted(named - stated_by_issuer):
            fix = "leave it out, or name another issuer"
            self._add(f"identity.{name}", f"is a field that no credential of issuer {issuer} states", fix)
        unknown = set(given.pop("unknown", ()))
        for name in sorted(unknown & named):
            self._add("identity.unknown", f"names {name}, which the identity states", "keep one of them")
        silent = stated.unknown_unless_stated(token_format) | (set(FIELDS) - stated_by_issuer)
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        return stated.stated_identity(
            {**values, "issuer": issuer, "format": token_format, "unknown": frozenset((silent - named) | unknown)}
        )

    def _check_expectation(self, expect: Expectation) -> None:
        if expect.outcome == "allow" and expect.reason is not None:
            self._add("expect.reason", "is for refusals, and allow is expected", "remove it, or expect deny")
        if expect.outcome == "allow" and expect.answer is not None:
            self._add("expect.answer", "is for refusals, and allow is expected", "remove it, or expect deny")
        if expect.outcome == "deny" and expect.headers:
            self._add("expect.headers", "are for allowed requests, and deny is expected", "remove them")
        if expect.policy is not None and expect.policy not in self._policies:
            fix = did_you_mean(expect.policy, self._policies)
            self._add("expect.policy", f"{redacted(expect.policy)} is not a policy", fix)
        known = {name.lower() for name in self._headers}
        for name in expect.headers:
            if name.lower() not in known:
                fix = did_you_mean(name, self._headers)
                self._add("expect.headers", f"{redacted(name)} is not a configured header", fix)
