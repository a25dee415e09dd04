"""What Traefik's deployed files lack: the headers that pass, the paths that are not refused, the entry points.

A router that passes requests to a service either asks AuthGate and copies the identity from its answer, or removes the
identity headers that the client sent. Its middlewares run in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.core.header_names import OVERRIDES, with_trailing_marks
from authgate.proxies.findings import Finding, Unusable, named, reaching
from authgate.proxies.traefik._entry_points import (
    entry_point_findings,
    is_at_all_of,
    may_be_https,
    points_of,
    tcp_findings,
)
from authgate.proxies.traefik._forward_auth import forward_auth_findings
from authgate.proxies.traefik._model import Model, as_list, finding_at, request_headers
from authgate.proxies.traefik.generator import undecided_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.proxies.findings import Source
    from authgate.proxies.settings import ProxySettings
    from authgate.proxies.traefik._model import Part

_ENDPOINT = "/auth/traefik"
_MAX_FILES = 1_000
_MAX_PARTS = 1_000
# No client has this address, so an ipAllowList with it refuses every request.
_NO_CLIENT = ["255.255.255.255/32"]
_GENERATE = "Generate Traefik's files again (authgate proxy traefik)"


def findings(source: Source, settings: ProxySettings) -> list[Finding]:
    """Return what the files of *source* lack, for these settings. Raises Unusable.

    *source* is a file, or a folder with all files.
    """
    model = _model(source)
    if not model.routers:
        raise Unusable(source.name, None, "there is no router: name the folder with all files, or a file with routers")
    check = _Check(model, settings, {part.name.lower(): part for part in reversed(model.middlewares)})
    passing = [router for router in model.routers if check.passes(router)]
    found = [finding for router in passing for finding in check.router(router)]
    if not any(check.asking(check.chain(router)) for router in model.routers):
        fix = "Give your routers the middleware authgate"
        found.append(Finding(file=source.name, line=1, subject="", message="no router asks AuthGate", fix=fix))
    found += dict.fromkeys(check.refusals(source.name, passing))
    found += tcp_findings(model, passing)
    return [*found, *entry_point_findings(model, passing, settings, source.name), *_others(model)]


def _model(source: Source) -> Model:
    model = Model()
    texts = [] if source.is_folder else [(source.name, source.text)]
    texts += [file for end in ("yml", "yaml") if source.is_folder for file in source.included(f"**/*.{end}")]
    if len(texts) > _MAX_FILES:
        raise Unusable(source.name, None, f"there are more than {_MAX_FILES} files")
    for name, text in texts:
        model.add(text, name)
    return model


@dataclass(frozen=True, slots=True)
class _Check:
    """The facts that all checks need. *named* are the middlewares by their lower-case names."""

    model: Model
    settings: ProxySettings
    named: dict[str, Part]

    def chain(self, router: Part) -> list[Part]:
        """Return the middlewares of *router* in their order, those of its entry points first. Raises Unusable."""
        before = [as_list(point.settings.at("http", "middlewares")) for point in self._points(router)]
        shared = before[0] if before and all(each == before[0] for each in before) else []
        return self._expanded(router, [*shared, *as_list(router.settings.at("middlewares"))])

    def _points(self, router: Part) -> list[Part]:
        names = points_of(router, self.model)
        return [point for point in self.model.entry_points if point.name in names]

    def _expanded(self, router: Part, names: list[str]) -> list[Part]:
        """Return the middlewares *names*, with each chain replaced by its parts. A chain is not a part of itself."""
        found: list[Part] = []
        waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in reversed(names)]
        for _ in range(_MAX_PARTS):
            if not waiting:
                return found
            name, within = waiting.pop()
            part = self._named(name)
            chained = as_list(part.settings.at("chain", "middlewares")) if part and part.name not in within else []
            if part and chained:
                waiting += [(inner, within | {part.name}) for inner in reversed(chained)]
            elif part and part.name not in within:
                found.append(part)
        raise Unusable(router.file, router.line, f"{router.name} has more than {_MAX_PARTS} middlewares")

    def _named(self, name: str) -> Part | None:
        return self.named.get(name.partition("@")[0].lower())

    def asking(self, chain: list[Part]) -> Part | None:
        """Return the middleware that asks AuthGate."""
        return next((p for p in chain if (p.settings.text("forwardauth", "address")).endswith(_ENDPOINT)), None)

    def passes(self, router: Part) -> bool:
        """Whether *router* passes requests to a service of yours."""
        return not router.settings.text("service").endswith("@internal") and not self._only_redirects(router)

    def _only_redirects(self, router: Part) -> bool:
        """Whether *router* redirects every request. redirectScheme passes those that came, or seem so, over HTTPS."""
        chain = self.chain(router)
        redirects = [part.settings.text("redirectscheme", "scheme").lower() == "https" for part in chain]
        if "tls" in router.settings or not any(redirects) or any(map(may_be_https, self._points(router))):
            return False
        return not any("x-forwarded-proto" in request_headers(part) for part in chain[: redirects.index(True)])

    def router(self, router: Part) -> Iterator[Finding]:
        """Yield what is wrong with the headers that *router* passes to its service."""
        chain = self.chain(router)
        asking = self.asking(chain)
        for name in as_list(router.settings.at("middlewares")):
            if not self._named(name):
                fix = "Name the folder or the file that has it, too"
                yield finding_at(router, f"the middleware {name} is not in these files", fix, is_error=False)
        removed = {name for part in chain for name, value in request_headers(part).items() if not value}
        identity = self.settings.reserved_headers
        copied = (
            {n.lower() for n in as_list(asking.settings.at("forwardauth", "authresponseheaders"))} if asking else set()
        )
        missing = [name for name in identity if name.lower() not in copied | removed]
        others = (*with_trailing_marks(identity), *OVERRIDES, *with_trailing_marks(OVERRIDES))
        imitating = [name for name in others if name.lower() not in removed]
        if not asking and len(missing) == len(identity) and len(imitating) == len(others):
            message = "does not ask AuthGate, and removes no header of clients: "
            message += f"a client can send {named(missing)} as it likes"
            yield finding_at(router, message, "Give it the middleware authgate or authgate-public")
            return
        if missing:
            fix = f"Add to authResponseHeaders of {asking.name}: {', '.join(missing)}" if asking else _removing(missing)
            yield finding_at(router, f"{reaching(missing)}: a client can pose as another user", fix)
        if asking:
            yield from self._answer(router, chain, asking, copied)
        elif self.settings.data and not self._refuses_data(chain):
            message = "does not ask AuthGate, and does not refuse the paths that only AuthGate can decide about (paths)"
            yield finding_at(router, message, f"{_GENERATE}, and give the router authgate-public")
        if imitating:
            danger = "some servers read an identity, another method or another path from them"
            yield finding_at(router, f"{reaching(imitating)}: {danger}", _removing(imitating))

    def _refuses_data(self, chain: list[Part]) -> bool:
        """Whether *chain* refuses the paths that `paths` takes as data."""
        wanted = undecided_paths(self.settings)
        return any(part.settings.text("replacepathregex", "regex") == wanted for part in chain)

    def _answer(self, router: Part, chain: list[Part], asking: Part, copied: set[str]) -> Iterator[Finding]:
        """Yield what is wrong with the middleware that asks AuthGate, and with those after it."""
        lost = [name for name in self.settings.identity_headers if name.lower() not in copied]
        removed = {name for part in chain for name, value in request_headers(part).items() if not value}
        never = [name for name in lost if name.lower() in removed]
        if never:
            fix = f"Add to authResponseHeaders of {asking.name}: {', '.join(never)}"
            yield finding_at(router, f"{', '.join(never)} of AuthGate's answer never reaches the upstream", fix)
        yield from self._stripped(router, chain, asking)
        yield from forward_auth_findings(asking, chain, self._points(router))
        for part in chain[chain.index(asking) + 1 :]:
            changed = [n for n in self.settings.identity_headers if n.lower() in request_headers(part)]
            if changed:
                message = f"{part.name} changes {', '.join(changed)} after AuthGate has set it"
                yield finding_at(router, message, f"Put {part.name} before {asking.name}")

    def _stripped(self, router: Part, chain: list[Part], asking: Part) -> Iterator[Finding]:
        """Yield the middlewares that remove all credentials before AuthGate is asked."""
        cookie = ("Cookie",) if self.settings.cookies else ()
        credentials = {name.lower() for name in (*self.settings.credential_headers, *cookie)}
        names = as_list(router.settings.at("middlewares"))
        for part in chain[: chain.index(asking)]:
            removed = {name for name, value in request_headers(part).items() if not value}
            if credentials and credentials <= removed:
                direct = [name for name in names if name.partition("@")[0].lower() == part.name.lower()]
                order = ", ".join([name for name in names if name not in direct] + direct)
                fix = f"middlewares: [{order}]" if direct else f"Put {part.name} after {asking.name}"
                yield finding_at(router, f"{part.name} removes the credentials before AuthGate is asked", fix)

    def refusals(self, name: str, passing: list[Part]) -> Iterator[Finding]:
        """Yield the spellings of paths that no router refuses before the routers that pass requests on."""
        refusing = [router for router in self.model.routers if any(map(_refuses, self.chain(router)))]
        for router in passing:
            kind = "with TLS" if "tls" in router.settings else "without TLS"
            beside = [each for each in refusing if is_at_all_of(each, router, self.model)]
            before = [each for each in beside if _priority(each) > _priority(router)]
            late = self._unrefused(before)
            if (missing := self._unrefused(beside)) and beside:
                message = f"has no row for these paths, so they may pass: {', '.join(missing)}"
                yield finding_at(beside[0], message, _GENERATE)
            elif missing:
                message = (
                    "no router refuses paths that Traefik and the upstream may read differently, for routers "
                    f"{kind}{_at_entry_points(router)}"
                )
                yield Finding(file=name, line=1, subject="", message=message, fix=_GENERATE)
            elif late:
                first = next(each for each in beside if each not in before)
                message = f"takes paths before {first.name} can refuse them: its priority is {_priority(router)}"
                yield finding_at(router, message, f"Give it a priority below {_priority(first)}")

    def _unrefused(self, routers: list[Part]) -> list[str]:
        """Return the names of the spellings that none of *routers* refuses."""
        rules = [router.settings.text("rule") for router in routers]
        # A condition beside a row ("&&") makes it count for some requests only.
        rows = {row.strip() for rule in rules if "&&" not in rule for row in rule.split("||")}
        wanted = [(s.name, f"PathRegexp(`(?i){s.decoded}`)") for s in self.settings.refused if s.decoded]
        return [f'"{spelling}"' for spelling, rule in wanted if rule not in rows]


def _refuses(part: Part) -> bool:
    return as_list(part.settings.at("ipallowlist", "sourcerange")) == _NO_CLIENT


def _at_entry_points(router: Part) -> str:
    names = as_list(router.settings.at("entrypoints"))
    return f" at {named(names)}" if names else ""


def _priority(router: Part) -> int:
    """Return the priority of *router*. By default it is the length of its rule."""
    text = router.settings.text("priority")
    given = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return given or len(router.settings.text("rule"))


def _removing(names: list[str]) -> str:
    """Return how to remove headers."""
    if len(names) > 3:
        return "Generate Traefik's files again, and give the router the middleware authgate or authgate-public"
    return "\n".join(f'headers.customRequestHeaders: {{{name}: ""}}' for name in names)


def _others(model: Model) -> Iterator[Finding]:
    for part in model.others:
        yield finding_at(
            part, "is not checked: only IngressRoutes are", "Use an IngressRoute, or check it by hand", is_error=False
        )
