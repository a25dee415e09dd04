"""Which headers of clients reach the upstreams behind nginx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.core.header_names import OVERRIDES, with_trailing_marks
from authgate.proxies.findings import Finding, named, reaching
from authgate.proxies.nginx._levels import MECHANISMS, subrequest, variables
from authgate.proxies.nginx.generator import variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from authgate.proxies.nginx._levels import Level, Mechanism
    from authgate.proxies.nginx.syntax import Directive
    from authgate.proxies.settings import ProxySettings

# With more lines than these to add, a fix names the generated file.
_MAX_LINES = 3
_PROTECT = "include authgate_protect.conf;"
# The fix for a location that has no lines of AuthGate at all.
INCLUDE = f"{_PROTECT} (or authgate_public.conf, if everybody may see it)"


@dataclass(frozen=True, slots=True)
class Answered:
    """The variables that hold AuthGate's headers: for each, the lower-case name of the header."""

    headers: dict[str, str]

    def holds(self, value: str, header: str) -> bool:
        """Whether *value* is a variable that holds AuthGate's *header*."""
        names = variables(value)
        return value in {f"${name}" for name in names} | {f"${{{name}}}" for name in names} and any(
            self.headers.get(name) == header.lower() for name in names
        )


def answered(lines: Iterable[Directive]) -> Answered:
    """Return the variables that *lines* of `auth_request_set` set."""
    headers = {}
    for line in lines:
        if len(line.arguments) == 2 and (names := variables(line.arguments[1])):
            name = names[0].removeprefix("upstream_http_") if names[0].startswith("upstream_http_") else ""
            headers[line.arguments[0].lstrip("$")] = name.replace("_", "-")
    return Answered(headers)


def header_findings(level: Level, settings: ProxySettings, everywhere: Answered) -> Iterator[Finding]:
    """Yield what is wrong with the headers that *level* sends to its upstream.

    *everywhere* are the variables that hold AuthGate's headers in any part of the configuration.
    """
    passing = level.passing
    if passing is None:
        return
    identity = settings.reserved_headers
    sent = _Sent(level, MECHANISMS[passing.name], passing)
    is_asking = subrequest(level) is not None
    here = answered(level.in_effect("auth_request_set")) if is_asking else everywhere
    yield from _unset(sent, identity, is_asking=is_asking)
    empty = {}
    for name in identity:
        for line in sent.lines(name):
            problem = _identity_problem(line, name, here, everywhere, is_asking=is_asking)
            if problem:
                yield sent.finding(problem, sent.fix([name], is_asking=is_asking), line)
            elif is_asking and not line.words[2] and name in settings.identity_headers:
                empty[name] = line
    if empty:
        message = f"{named([*empty])} {'is' if len(empty) == 1 else 'are'} always empty, also for signed-in users"
        fix = "Remove include authgate_public.conf; if the upstream needs to know the user"
        yield sent.finding(message, fix, next(iter(empty.values())), is_error=False)
    for name in (*OVERRIDES, *sent.look_alikes((*identity, *OVERRIDES))):
        for line in sent.lines(name):
            if "http_" + name.lower().replace("-", "_") in variables(line.words[2]):
                fix = sent.fix([name], is_asking=False)
                yield sent.finding(f"{name} reaches the upstream as the client sent it", fix, line)
    yield from _other_headers(sent)


@dataclass(frozen=True, slots=True)
class _Sent:
    """The headers that *level* sends to its upstream."""

    level: Level
    mechanism: Mechanism
    passing: Directive

    def lines(self, header: str) -> list[Directive]:
        return self.level.values(self.mechanism.setting, self.mechanism.name(header))

    def look_alikes(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """CGI's names end with as many underscores as there are marks, and no application reads those."""
        return () if self.mechanism.is_cgi else with_trailing_marks(names)

    def assignment(self, header: str, *, is_asking: bool) -> str:
        value = variable(header) if is_asking else '""'
        return f"{self.mechanism.setting} {self.mechanism.name(header)} {value};"

    def fix(self, headers: list[str], *, is_asking: bool) -> str:
        """Return the lines to add; *is_asking*: those that take the headers from AuthGate's answer."""
        upstream = [f"$upstream_http_{header.lower().replace('-', '_')}" for header in headers]
        lines = [
            (f"auth_request_set {variable(header)} {value};\n" if is_asking else "")
            + self.assignment(header, is_asking=is_asking)
            for header, value in zip(headers, upstream, strict=True)
        ]
        return "\n".join(lines)

    def finding(self, message: str, fix: str, line: Directive | None = None, *, is_error: bool = True) -> Finding:
        place = line or self.level.directive
        return Finding(
            file=place.file,
            line=place.line,
            subject=self.level.subject,
            message=message,
            fix=fix,
            is_error=is_error,
        )


def _unset(sent: _Sent, identity: tuple[str, ...], *, is_asking: bool) -> Iterator[Finding]:
    """Yield a finding for the headers that the level does not set, so that the client's reach the upstream."""
    if sent.mechanism.relaying and sent.level.value(sent.mechanism.relaying) == "off":
        return
    kinds = (
        (identity, is_asking, "a client can pose as another user"),
        (sent.look_alikes((*identity, *OVERRIDES)), False, "some servers read them without the marks at the end"),
        (OVERRIDES, False, "some frameworks then serve another method, path or host than the proxy checked"),
    )
    missing = [[name for name in names if not sent.lines(name)] for names, _, _ in kinds]
    whole = "authgate_protect.conf" if is_asking else "authgate_public.conf"
    is_proxy = sent.mechanism.setting == "proxy_set_header"
    cancelled = _cancelled(sent, [name for names in missing for name in names])
    if is_proxy and all(len(names) == len(kind[0]) for names, kind in zip(missing, kinds, strict=True)):
        doing = "asks AuthGate" if is_asking else "does not ask AuthGate"
        message = f"{doing}, and removes no header of clients: a client can send {named(missing[0])} as it likes"
        yield sent.finding(message + cancelled, _PROTECT if is_asking else INCLUDE)
        return
    for names, (_, from_answer, danger) in zip(missing, kinds, strict=True):
        if names:
            is_long = is_proxy and len(names) > _MAX_LINES
            fix = f"Generate {whole} again, and include it" if is_long else sent.fix(names, is_asking=from_answer)
            yield sent.finding(f"{reaching(names)}: {danger}{cancelled}", fix)


def _cancelled(sent: _Sent, names: list[str]) -> str:
    """Return a note if a level above removes headers that the lines of this level leave in."""
    setting, parent = sent.mechanism.setting, sent.level.parent
    if sent.level.own(setting) and parent and any(parent.values(setting, sent.mechanism.name(n)) for n in names):
        return f" (the {setting} lines here cancel those of the levels above)"
    return ""


def _identity_problem(line: Directive, name: str, here: Answered, everywhere: Answered, *, is_asking: bool) -> str:
    """Return what is wrong with the value that *line* gives the identity header *name*; "" if nothing is."""
    value = line.words[2]
    if not value or here.holds(value, name):
        return ""
    if any(used.startswith(("http_", "arg_", "cookie_")) for used in variables(value)):
        return f"{name} is taken from the client ({value}): a client can pose as another user"
    if not is_asking:
        return f"{name} is set to {value}, although AuthGate is not asked here"
    if everywhere.holds(value, name):
        return f"{name} is always empty: no auth_request_set here takes it from AuthGate's answer"
    return f"{name} is set to {value}, which is not AuthGate's {name}"


def _other_headers(sent: _Sent) -> Iterator[Finding]:
    """Yield what is wrong with Connection and Upgrade, and with headers that are set twice."""
    if sent.mechanism.setting != "proxy_set_header":
        return
    for header, value, wrong, fix, is_error in _HOP_BY_HOP:
        for line in sent.lines(header):
            if value(line.words[2]):
                yield sent.finding(wrong, fix, line, is_error=is_error)
    seen: set[str] = set()
    twice = []
    for line in sent.level.in_effect(sent.mechanism.setting):
        name = line.words[1].lower() if len(line.words) > 1 else ""
        if name in seen and len(line.words) > 2 and line.words[2]:
            twice.append(line)
        seen.add(name)
    if twice:
        is_one = len(twice) == 1
        message = f"{named([line.words[1] for line in twice])} {'is' if is_one else 'are'} set twice, so nginx sends "
        message += f"{'it' if is_one else 'them'} twice: many servers answer that with 400"
        fix = "Keep one of the lines" if is_one else "Remove include authgate_forward.conf; or your own lines"
        yield sent.finding(message, fix, twice[0], is_error=False)


_HOP_BY_HOP: tuple[tuple[str, Callable[[str], bool], str, str, bool], ...] = (
    (
        "Connection",
        lambda value: "http_connection" in variables(value),
        'Connection is the client\'s: "Connection: X-User-Id" makes the upstream drop the identity',
        "proxy_set_header Connection $authgate_connection;",
        True,
    ),
    (
        "Upgrade",
        lambda value: "http_upgrade" in variables(value),
        'Upgrade is the client\'s: "Upgrade: h2c" may open a tunnel for requests that no location checks',
        "proxy_set_header Upgrade $authgate_upgrade;\nproxy_set_header Connection $authgate_connection;",
        True,
    ),
)
