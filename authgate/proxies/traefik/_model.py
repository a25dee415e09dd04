"""The routers, middlewares and entry points in Traefik's YAML: files, labels of containers, resources of Kubernetes.

Traefik ignores the case of its settings' names, so all names are in lower case here. All values are text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml

from authgate.proxies.findings import Finding, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Traefik reads as true, in lower case.
TRUE = frozenset({"true", "t", "1"})
_MAX_NODES = 200_000
_LABEL = "traefik."
_ENTRY_POINT = "--entrypoints."


Value: TypeAlias = "str | list[Value] | Settings"


class Settings(dict[str, "Value"]):
    """A mapping of YAML, which knows the line of each key."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def at(self, *names: str) -> Value:
        """Return what is at the path *names*; "" if nothing is."""
        found: Value = self
        for name in names:
            found = found.get(name, "") if isinstance(found, Settings) else ""
        return found

    def merge(self, value: Value, line: int) -> None:
        """Add what the mappings in *value* have and this one lacks: YAML's "<<"."""
        for merged in value if isinstance(value, list) else [value]:
            if isinstance(merged, Settings):
                new = {key: inner for key, inner in merged.items() if key not in self}
                self.update(new)
                self.lines.update(dict.fromkeys(new, line))

    def text(self, *names: str) -> str:
        """Return the text at the path *names*; "" if there is none."""
        found = self.at(*names)
        return found if isinstance(found, str) else ""

    def below(self, *names: str) -> Settings:
        """Return the mapping at the path *names*; an empty one if there is none."""
        found = self.at(*names)
        return found if isinstance(found, Settings) else Settings()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A router, a middleware or an entry point. *kind* is its name in findings."""

    kind: str
    name: str
    settings: Settings
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Model:
    """What the files define. *others* are resources of Kubernetes that route and that the check does not read."""

    routers: list[Part] = field(default_factory=list)
    tcp_routers: list[Part] = field(default_factory=list)
    middlewares: list[Part] = field(default_factory=list)
    entry_points: list[Part] = field(default_factory=list)
    others: list[Part] = field(default_factory=list)

    def add(self, text: str, file: str) -> None:
        """Add what *text* defines. Raises Unusable."""
        try:
            for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
                document = _Reader(file).read(node)
                if isinstance(document, Settings):
                    self._document(document, file, node.start_mark.line + 1)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise Unusable(file, line, f"it is not YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, RecursionError):
            raise Unusable(file, None, "it is not YAML, or too deep") from None

    def _document(self, document: Settings, file: str, line: int) -> None:
        self._routing(document, file)
        # A snippet without an address, as `authgate proxy` prints it, is not an entry point.
        self.entry_points.extend(
            p for p in _parts("entry point", document.below("entrypoints"), file) if p.settings.at("address")
        )
        self._labels(document, file)
        services = document.below("services")
        for service in services.values():
            if isinstance(service, Settings):
                self._labels(service, file)
                self._labels(service.below("deploy"), file)
                self._arguments(service.at("command"), file, services.lines.get("command", line))
        self._arguments(document.at("additionalarguments"), file, line)
        self._resource(document, file, line)

    def _routing(self, tree: Settings, file: str) -> None:
        self.routers.extend(_parts("router", tree.below("http", "routers"), file))
        self.tcp_routers.extend(_parts("TCP router", tree.below("tcp", "routers"), file))
        self.middlewares.extend(_parts("middleware", tree.below("http", "middlewares"), file))

    def _labels(self, owner: Settings, file: str) -> None:
        """Add what the labels of a container define. Compose reads "$$" as "$"."""
        labels = owner.at("labels")
        pairs: list[tuple[str, str, int]] = []
        if isinstance(labels, Settings):
            pairs = [(key, value, labels.lines[key]) for key, value in labels.items() if isinstance(value, str)]
        elif isinstance(labels, list):
            line = owner.lines.get("labels", 1)
            split = [label.partition("=") for label in labels if isinstance(label, str)]
            pairs = [(key.lower(), value, line) for key, _, value in split]
        tree = Settings()
        for key, value, line in pairs:
            if key.startswith(_LABEL):
                _put(tree, key.removeprefix(_LABEL).split("."), value.replace("$$", "$"), line)
        self._routing(tree, file)

    def _arguments(self, arguments: Value, file: str, line: int) -> None:
        """Add the entry points in the arguments of Traefik's command."""
        tree = Settings()
        for argument in arguments if isinstance(arguments, list) else []:
            if isinstance(argument, str) and argument.lower().startswith(_ENTRY_POINT):
                name, _, value = argument[len(_ENTRY_POINT) :].partition("=")
                _put(tree, name.lower().split("."), value or "true", line)
        self.entry_points.extend(_parts("entry point", tree, file))

    def _resource(self, document: Settings, file: str, line: int) -> None:
        """Add a resource of Kubernetes, or each of a list of them."""
        kind, name, items = document.text("kind"), document.text("metadata", "name"), document.at("items")
        for item in items if isinstance(items, list) else []:
            if isinstance(item, Settings) and kind == "List":
                self._resource(item, file, min(item.lines.values(), default=line))
        if kind == "Middleware":
            self.middlewares.append(Part("Middleware", name, document.below("spec"), file, line))
        elif kind in {"IngressRoute", "IngressRouteTCP"}:
            routes = document.at("spec", "routes")
            routers = self.routers if kind == "IngressRoute" else self.tcp_routers
            for route in routes if isinstance(routes, list) else []:
                if isinstance(route, Settings):
                    routers.append(_router(kind, name, route, document.below("spec"), file))
        elif kind in {"Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"}:
            self.others.append(Part(kind, name, document, file, line))


def finding_at(part: Part, message: str, fix: str, *, is_error: bool = True) -> Finding:
    """Return a finding about *part*."""
    return Finding(
        file=part.file, line=part.line, subject=f"{part.kind} {part.name}", message=message, fix=fix, is_error=is_error
    )


def as_list(value: Value) -> list[str]:
    """Return a list of names: those in a list, in a text with commas, or in references of Kubernetes."""
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    plain = [name.text("name") if isinstance(name, Settings) else name for name in names if not isinstance(name, list)]
    return [name.strip() for name in plain if name.strip()]


def request_headers(part: Part) -> Settings:
    """Return what the middleware *part* sets in requests. An empty value removes the header."""
    return part.settings.below("headers", "customrequestheaders")


def _router(kind: str, name: str, route: Settings, spec: Settings, file: str) -> Part:
    """Return a route of an IngressRoute as a router."""
    settings = Settings()
    services = route.at("services")
    settings.update(route, rule=route.at("match"), service=(as_list(services) or [""])[0])
    settings.update({key: spec[key] for key in ("entrypoints", "tls") if key in spec})
    return Part(kind, name, settings, file, min(route.lines.values(), default=1))


def _parts(kind: str, mapping: Settings, file: str) -> Iterator[Part]:
    for name, settings in mapping.items():
        if isinstance(settings, Settings):
            yield Part(kind, name, settings, file, mapping.lines[name])


def _put(tree: Settings, path: list[str], value: str, line: int) -> None:
    for name in path[:-1]:
        inner = tree.get(name)
        if not isinstance(inner, Settings):
            inner = Settings()
            tree[name] = inner
            tree.lines[name] = line
        tree = inner
    tree[path[-1]] = value
    tree.lines[path[-1]] = line


class _Reader:
    """Makes plain values from the nodes of one document. A node that an alias repeats is read once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._read: dict[int, Value] = {}

    def read(self, node: yaml.Node | None) -> Value:
        if node is None:
            return ""
        if id(node) in self._read:
            return self._read[id(node)]
        if len(self._read) >= _MAX_NODES:
            raise Unusable(self._file, node.start_mark.line + 1, f"it has more than {_MAX_NODES} values")
        self._read[id(node)] = ""  # for a node that contains itself
        self._read[id(node)] = value = self._value(node)
        return value

    def _value(self, node: yaml.Node) -> Value:
        if isinstance(node, yaml.MappingNode):
            settings = Settings()
            for key, inner in node.value:
                name, value = str(self.read(key)).lower(), self.read(inner)
                if name == "<<":
                    settings.merge(value, key.start_mark.line + 1)
                else:
                    settings[name] = value
                    settings.lines[name] = key.start_mark.line + 1
            return settings
        if isinstance(node, yaml.SequenceNode):
            return [self.read(inner) for inner in node.value]
        return str(node.value)
