"""Where nginx lets a request pass that AuthGate refuses, or does not ask AuthGate at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.adapters.page import security_policy
from authgate.proxies.findings import Finding
from authgate.proxies.nginx._levels import (
    REFUSED,
    answers,
    is_refusal,
    location,
    matched_by,
    patterns,
    subrequest,
    upstream,
)
from authgate.proxies.nginx._pages import keeps_refusing, passing_on, redirects
from authgate.proxies.nginx.generator import TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.core.pages import Look
    from authgate.proxies.nginx._levels import Level
    from authgate.proxies.nginx.syntax import Directive

# What nginx answers when AuthGate refuses, and when it does not answer.
_REFUSALS = ("401", "403", "500")
# What nginx answers before it asks AuthGate, and the directives without which it does not.
_EARLY = {"413": (), "429": ("limit_req", "limit_conn"), "503": ("limit_req", "limit_conn")}


def access_findings(level: Level) -> Iterator[Finding]:
    """Yield how requests get past AuthGate at *level*, a location."""
    yield from _not_asked(level)
    if subrequest(level) is None:
        return
    satisfying = level.in_effect("satisfy")
    if level.value("satisfy") == "any":
        message = "an address that `allow` names, or a password, is enough to pass without AuthGate"
        yield _at(level, f"satisfy any: {message}", "satisfy all;", satisfying[-1])
    if level.passing or level.own("error_page") or level.own("auth_request"):
        yield from _error_pages(level)
    if level.passing and not answers(level):
        yield from _kept_from_clients(level)
        yield from _other_case(level)


def _not_asked(level: Level) -> Iterator[Finding]:
    above = level.parent.asking if level.parent else None
    for line in level.own("auth_request"):
        if line.arguments[:1] == ("off",) and above:
            message = f"auth_request off: AuthGate is not asked here, although it is asked above ({_place(above)})"
            yield _at(level, message, "Remove the line, unless everybody may pass", line, is_error=False)
        elif line.arguments and line.arguments[0] != "off":
            yield from _bad_target(level, line)
    if level.asking and (level.own("auth_request") or level.passing):
        for line in level.own("return") if answers(level) else ():
            message = "the location answers with `return`, so AuthGate is never asked"
            yield _at(level, message, "Put nothing private into the answer", line, is_error=False)
        for line in level.own("rewrite"):
            if line.words[-1] == "last" and level.directive.name != "server":
                message = "`rewrite ... last` chooses another location before AuthGate is asked"
                yield _at(level, message, "Use `break`, or protect the other location too", line, is_error=False)


def _bad_target(level: Level, line: Directive) -> Iterator[Finding]:
    target = line.arguments[0]
    found = location(level.server, target)
    if found is None:
        message = f"auth_request {target}: the server has no location {target}, so every request gets a 500"
        yield _at(level, message, "include authgate_server.conf; in server {}", line)
    elif answers(found):
        message = f"auth_request {target}: location {target} answers with `return`, and AuthGate is never asked"
        yield _at(level, message, "include authgate_server.conf; in server {}", line)
    elif subrequest(level) is None:
        message = f"auth_request {target} asks something else than AuthGate (its path is /auth/nginx)"
        yield _at(level, message, "auth_request /_authgate;", line, is_error=False)


def _error_pages(level: Level) -> Iterator[Finding]:
    """Yield how `error_page` turns a refusal into another answer. The first for a status counts."""
    seen: dict[str, Directive] = {}
    for line in level.in_effect("error_page"):
        *statuses, target = line.arguments or ("",)
        change = statuses.pop() if statuses and statuses[-1].startswith("=") else None
        refusals = [status for status in _REFUSALS if status in statuses and status not in seen]
        early = [status for status in _EARLY if status in statuses and status not in seen and _is_early(level, status)]
        late = [status for status in _REFUSALS if status in statuses and status in seen]
        if late and not refusals and not target.startswith("@authgate_"):
            message = f"error_page {' '.join(line.arguments)} is never used: {_place(seen[late[0]])} comes first"
            fix = _REMOVE if "401" in late else "Put the line before include authgate_protect.conf;"
            yield _at(level, message, fix, line, is_error=False)
        seen = dict.fromkeys(statuses, line) | seen
        if early and (on := _passing_on(level, target)):
            what = f"error_page {' '.join(line.arguments)}: nginx answers {early[0]} before it asks AuthGate, and "
            yield _at(level, f"{what}{on.subject} passes the request on", f"Ask AuthGate in {on.subject} too", line)
        if refusals and (
            message := next(filter(None, (_page_problem(level, change, to) for to in _targets(target))), "")
        ):
            what = f"error_page {' '.join(line.arguments)}: {message}"
            fix = "\n".join(_OWN_PAGES[status] for status in refusals)
            yield _at(level, what, fix, line)
        elif "401" in refusals and (message := _replaced_answer(level, target)):
            yield _at(level, f"error_page {' '.join(line.arguments)}: {message}", _REMOVE, line, is_error=False)
    missing = [status for status in _REFUSALS if status not in seen]
    if missing:
        message = f"nginx answers {', '.join(missing)} with its own page, without the reason that AuthGate gave"
        fix = "\n".join(_OWN_PAGES[status] for status in missing)
        yield _at(level, message, fix, is_error=False)


def _replaced_answer(level: Level, target: str) -> str:
    """Return what clients lose if an error page takes the place of AuthGate's answer to a 401; "" if it does not."""
    if _is_redirect(level, target):
        return "every 401 becomes a redirect, also for scripts and programs, which read a page as their answer"
    is_shipped = target.startswith("@authgate_")
    return "" if is_shipped else "it takes the place of AuthGate's answer, so browsers are not sent to login_url"


def _is_redirect(level: Level, target: str) -> bool:
    """Whether an error page redirects every client. AuthGate chooses the shipped one for each client."""
    found = None if _SHOWN in target else location(level.server, target)
    return "://" in target or (found is not None and redirects(found))


def _is_early(level: Level, status: str) -> bool:
    return not _EARLY[status] or any(level.in_effect(name) for name in _EARLY[status])


def refused_pages(server: Level) -> Iterator[Finding]:
    """Yield the error pages that pass on what *server* refuses, and a location that should refuse it and does not."""
    inner = [line for test in server.script if test.name == "if" for line in test.block or ()]
    refusing = [(server, line.arguments[0]) for line in inner if line.name == "return" and line.arguments]
    if any(map(is_refusal, inner)):
        found = location(server, REFUSED)
        if found is None or not keeps_refusing(found):
            what = "there is no such location" if found is None else f"{found.subject} does not refuse them"
            yield _at(server, f"the requests that the server refuses go to {REFUSED}, and {what}", _SERVER)
            return
        refusing += [(found, line.arguments[0]) for line in found.script if line.name == "return" and line.arguments]
    for level, status in dict.fromkeys(refusing):
        line = next((line for line in level.in_effect("error_page") if status in line.arguments[:-1]), None)
        if line and (on := _passing_on(server, line.arguments[-1])):
            what = f"error_page {' '.join(line.arguments)}: {on.subject} passes on the paths that the server refuses"
            yield _at(level, what, f"Remove {status} from the line", line)


def stale_page(server: Level, look: Look) -> Iterator[Finding]:
    """Yield a finding if browsers drop the style of the page: its header is from another configuration."""
    found = location(server, "@authgate_page")
    for line in found.own("add_header") if found else ():
        if line.arguments[:1] == ("Content-Security-Policy",) and line.arguments[1:2] != (security_policy(look),):
            message = "the header is not for the page that your configuration gives, so browsers show it without style"
            yield _at(found or server, message, "Generate authgate_server.conf again", line, is_error=False)


_REMOVE = "Remove the line: login_url in AuthGate's configuration redirects browsers, and only browsers"
_SERVER = "include authgate_server.conf; in server {}"
# The shipped answers: AuthGate says which location is right for the client.
_SHOWN = "$authgate_shown"
_SHIPPED = f"@authgate_{_SHOWN}"
_OWN_PAGES = {
    "401": f"error_page 401 {_SHIPPED};",
    "403": f"error_page 403 {_SHIPPED};",
    "500": f"error_page 500 =503 {_SHIPPED};",
}


def _targets(target: str) -> tuple[str, ...]:
    """Return the targets that *target* of an `error_page` stands for: several for the shipped one."""
    return (
        tuple(target.replace(_SHOWN, name) for name in ("redirect", "page", "problem"))
        if _SHOWN in target
        else (target,)
    )


def _passing_on(level: Level, target: str) -> Level | None:
    return next(filter(None, (passing_on(level, one) for one in _targets(target))), None)


def _page_problem(level: Level, change: str | None, target: str) -> str:
    """Return what is wrong with an error page for a refusal; "" if nothing is.

    *change* is the status in the directive: None if it has none, "=" for the status of the target.
    """
    return next(filter(None, (_target_problem(level, change, one) for one in _targets(target))), "")


def _target_problem(level: Level, change: str | None, target: str) -> str:
    found = location(level.server, target)
    if change is not None and change.startswith("=2"):
        return f"a refusal becomes a {change[1:]} (CVE-2026-24513)"
    if "://" in target:  # a redirect
        return ""
    if target.startswith("@") and found is None:
        return f"the server has no location {target}"
    if on := passing_on(level, target):
        return f"{on.subject} passes the request on that AuthGate refused"
    if change == "=" and not (found and keeps_refusing(found)):
        return f"the refusal gets the status of {target}, which may be 200 (CVE-2026-24513)"
    return ""


def _kept_from_clients(level: Level) -> Iterator[Finding]:
    """Yield a finding for what AuthGate says in headers and clients do not get, because no line takes it."""
    taken = {line.arguments[1] for line in level.in_effect("auth_request_set") if len(line.arguments) == 2}
    missing = [row for row in TAKEN if row.source not in taken]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        effects = dict.fromkeys(row.effect for row in missing)
        message = (
            f"{', '.join(row.header for row in missing)} of AuthGate's answer {verb} not read: {', '.join(effects)}"
        )
        yield _at(level, message, "\n".join(row.line for row in missing), is_error=False)


def _other_case(level: Level) -> Iterator[Finding]:
    """Yield a finding if the path of *level* in other case goes to the same upstream without asking AuthGate."""
    modifier, path = matched_by(level)
    if modifier == "~" or not path.startswith("/"):
        return
    found = location(level.server, path.swapcase()) if path.swapcase() != path else None
    if found and found.passing and subrequest(found) is None and upstream(found) == upstream(level):
        message = (
            f"{found.subject} passes {path.upper()} to the same upstream without asking AuthGate, and servers that "
            f"ignore case (Express) serve it like {path}"
        )
        fix = f"location ~* ^{path.rstrip('/')}(/|$), or ask AuthGate in {found.subject} too"
        yield _at(level, message, fix, is_error=False)


def left_out(servers: list[Level]) -> Iterator[Finding]:
    """Yield the locations whose pattern was left out, because it takes too much work to match it."""
    for level in (level for server in servers for level in server.everything()):
        if matched_by(level)[1] in patterns(level.server.parent or level).left_out:
            message = "the pattern takes too long to match, so the check does not know which paths the location gets"
            fix = "Write the pattern without a repetition in a repetition, and check again"
            yield _at(level, message, fix, is_error=False)


def _place(directive: Directive) -> str:
    return f"{directive.file}:{directive.line}"


def _at(level: Level, message: str, fix: str, line: Directive | None = None, *, is_error: bool = True) -> Finding:
    place = line or level.directive
    return Finding(file=place.file, line=place.line, subject=level.subject, message=message, fix=fix, is_error=is_error)
