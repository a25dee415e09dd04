"""Which modules may import which, and what only one module may do (docs/architecture.md, "Dependency rules")."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
FILES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "authgate").rglob("*.py"))}
PURE_MAX_LINES = 300

WORLD = frozenset({"asyncio", "socket", "ssl", "os", "time", "random", "logging"})
IO = WORLD | {"pathlib", "io", "subprocess", "threading", "multiprocessing", "urllib", "http", "tempfile", "secrets"}
CRYPTO = frozenset({"jwt", "joserfc", "cryptography"})


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the dotted *module*, and whether it is for the type checker alone."""

    module: str
    typing_only: bool

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    def within(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(f"{package}.") for package in packages)


def imports(source: str) -> Iterator[Import]:
    """Yield every import of *source*. `from a import b` yields "a.b" if that is a module of AuthGate."""
    tree = ast.parse(source)
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, id(node) in guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a name comes from"
            module = node.module or ""
            packages = [f"{module}.{alias.name}" for alias in node.names if _is_module(f"{module}.{alias.name}")]
            yield from (Import(name, id(node) in guarded) for name in (packages or [module]))


def _is_module(name: str) -> bool:
    path = name.replace(".", "/")
    return f"{path}.py" in FILES or f"{path}/__init__.py" in FILES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What files whose path begins with *where* may import: of AuthGate *ours*, and *others* by their top name.

    *typing* names what of AuthGate they may besides name in annotations. *others* None: anything but *never*.
    """

    where: str
    ours: tuple[str, ...]
    typing: tuple[str, ...] = ()
    others: frozenset[str] | None = None
    never: frozenset[str] = frozenset()


def _own(*names: str) -> tuple[str, ...]:
    return tuple(f"authgate.{name}" for name in names)


STDLIB = frozenset(sys.stdlib_module_names)

RULES = (
    Rule(where="authgate/core/", ours=_own("core"), others=STDLIB, never=WORLD),
    Rule(
        where="authgate/tokens/",
        ours=_own("caches", "core", "tokens"),
        others=STDLIB | CRYPTO | {"cachetools"},
        never=IO - {"urllib"},
    ),
    Rule(where="authgate/adapters/", ours=_own("core", "adapters"), others=STDLIB, never=IO - {"http"}),
    Rule(where="authgate/certificates.py", ours=_own("core"), others=STDLIB | {"cryptography"}, never=IO),
    Rule(where="authgate/background.py", ours=_own("bugs"), others=STDLIB, never=IO - {"asyncio"}),
    Rule(where="authgate/blocking.py", ours=(), others=STDLIB, never=IO - {"asyncio", "threading"}),
    Rule(where="authgate/caches.py", ours=_own("core"), others=STDLIB, never=IO - {"time"}),
    Rule(where="authgate/shares.py", ours=(), others=STDLIB, never=IO),
    Rule(where="authgate/repeats.py", ours=_own("shares"), others=STDLIB, never=IO - {"asyncio", "time"}),
    Rule(where="authgate/waiting.py", ours=_own("core", "shares"), others=STDLIB, never=IO - {"asyncio"}),
    Rule(
        where="authgate/files.py",
        ours=(),
        others=frozenset(
            {"collections", "dataclasses", "errno", "math", "os", "pathlib", "stat", "threading", "time", "typing"}
        ),
    ),
    Rule(where="authgate/authorities.py", ours=_own("blocking", "files"), others=STDLIB, never=IO - {"os", "ssl"}),
    Rule(
        where="authgate/outbound.py",
        ours=_own("authorities", "blocking", "core"),
        others=STDLIB | {"aiohttp", "cachetools"},
        never=IO - {"asyncio", "socket"},
    ),
    Rule(
        where="authgate/issuers.py",
        ours=_own("config._secrets", "config.subject_prefixes", "core", "files", "keysources", "presets", "tokens"),
        never=CRYPTO | {"aiohttp"},
    ),
    Rule(
        where="authgate/announcements.py",
        ours=_own("core.credential", "core.snapshot", "presets"),
        typing=_own("config", "core"),
        never=IO,
    ),
    Rule(
        where="authgate/config/load_admin.py",
        ours=_own("config._yaml", "config.listening", "files"),
        others=STDLIB,
        never=IO - {"os", "pathlib"},
    ),
    Rule(
        where="authgate/presets/",
        ours=_own(
            *("config._annotations", "config._outbound", "config._secret_forms", "config._secrets"),
            *("config._types", "config._yaml", "config.identity_model"),
        )
        + _own("core", "presets", "sessions.layouts", "stores", "tokens"),
        never=(IO | CRYPTO) - {"os", "urllib"},
    ),
    Rule(
        where="authgate/stores/",
        ours=_own("config._outbound", "config._secrets", "config._types", "core", "sessions", "stores"),
        never=(IO | CRYPTO) - {"urllib"},
    ),
    Rule(
        where="authgate/issuer_sessions.py",
        ours=_own("presets", "sessions", "stores"),
        typing=_own("caches", "core"),
        never=IO | CRYPTO,
    ),
    Rule(
        where="authgate/policies.py",
        ours=_own("config.rule_model", "core", "presets", "sign_in_pages"),
        typing=_own("config"),
        never=IO | CRYPTO,
    ),
    Rule(
        where="authgate/sign_in_pages.py",
        ours=_own("core"),
        typing=_own("config", "presets"),
        others=STDLIB | {"multidict"},
        never=(IO | CRYPTO) - {"urllib"},
    ),
    Rule(
        where="authgate/identity_warnings.py",
        ours=_own("core", "policies", "presets", "tokens.claim_sources"),
        typing=_own("config"),
        never=IO | CRYPTO,
    ),
    Rule(
        where="authgate/policy_warnings.py",
        ours=_own("core", "policies", "presets"),
        typing=_own("config"),
        never=IO | CRYPTO,
    ),
    Rule(
        where="authgate/proxies/",
        ours=_own("adapters.page", "config.model", "core", "policies", "presets", "proxies"),
        typing=_own("config"),
        never=(IO | CRYPTO) - {"http", "pathlib"},
    ),
    Rule(where="authgate/bugs.py", ours=_own("repeats"), others=STDLIB, never=IO - {"asyncio", "logging", "threading"}),
    Rule(
        where="authgate/keysources/",
        ours=_own("authorities", "background", "blocking", "bugs", "core", "files", "keysources", "outbound")
        + _own("tokens.jwk", "tokens.discovery", "waiting"),
        never=CRYPTO,
    ),
    Rule(
        where="authgate/sessions/",
        ours=_own("authorities", "background", "blocking", "bugs", "caches", "core", "outbound", "repeats")
        + _own("sessions", "shares", "waiting"),
        never=CRYPTO | {"pydantic"},
    ),
    Rule(where="authgate/answers.py", ours=_own("core", "keysources", "sessions"), never=CRYPTO | {"aiohttp"}),
    Rule(where="authgate/gate.py", ours=_own("answers", "bugs", "core"), never=CRYPTO | {"aiohttp"}),
    Rule(where="authgate/peers.py", ours=_own("adapters", "core"), others=STDLIB, never=IO),
    Rule(
        where="authgate/desk.py",
        ours=_own("adapters", "bugs", "core", "gate", "peers", "record"),
        others=STDLIB,
        never=IO - {"os", "time"},
    ),
    Rule(
        where="authgate/server/",
        ours=_own("adapters", "background", "blocking", "bugs", "certificates", "core", "desk", "files", "peers")
        + _own("repeats", "server", "shares"),
        typing=_own("app", "config.model", "keysources", "sessions"),
        never=CRYPTO,
    ),
    Rule(
        where="authgate/app.py",
        ours=_own("server.http"),
        typing=("authgate",),
        others=STDLIB | {"aiohttp"},
        never=IO | CRYPTO,
    ),
    Rule(
        where="authgate/metrics.py",
        ours=_own("decision_counts", "log", "repeats"),
        typing=_own("server.tls"),
        never=CRYPTO | {"aiohttp"},
    ),
    Rule(where="authgate/decision_counts.py", ours=(), others=STDLIB | {"prometheus_client"}, never=IO - {"time"}),
    Rule(where="authgate/log_writer.py", ours=(), others=STDLIB, never=IO - {"os", "threading", "time"}),
    Rule(where="authgate/app_metrics.py", ours=(), typing=_own("app", "caches", "keysources", "metrics"), never=CRYPTO),
    Rule(where="authgate/", ours=("authgate",), never=frozenset()),
)


def import_faults(path: str, source: str) -> list[str]:
    """Return what *source*, as the file *path*, imports against the rules."""
    faults = []
    rule = next(rule for rule in RULES if path.startswith(rule.where))
    for imported in imports(source):
        if imported.within("authgate"):
            # "authgate" itself: its version
            allowed = (
                imported.module == "authgate"
                or imported.within(*rule.ours)
                or (imported.typing_only and imported.within(*rule.typing))
            )
        else:
            allowed = imported.top == "__future__" or (
                imported.top not in rule.never and (rule.others is None or imported.top in rule.others)
            )
            allowed = allowed and (
                imported.top not in CRYPTO or path.startswith(("authgate/tokens/", "authgate/certificates.py"))
            )
        if not allowed:
            faults.append(f"{path} imports {imported.module}")
    return faults


def circle(files: dict[str, str]) -> list[str]:
    """Return the modules of one circle of imports in *files*, type-only ones included, or an empty list."""
    modules = {path: path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    known = set(modules.values())
    graph = {
        modules[path]: {imported.module for imported in imports(source)} & known - {modules[path]}
        for path, source in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _calls(source: str, name: str) -> bool:
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name
        for node in ast.walk(ast.parse(source))
    )


def _names(source: str, *names: str) -> bool:
    """Whether *source* uses one of *names* as an attribute, imports it, or names it."""
    for node in ast.walk(ast.parse(source)):
        used = {
            ast.Attribute: lambda n: {n.attr},
            ast.Name: lambda n: {n.id},
            ast.ImportFrom: lambda n: {alias.name for alias in n.names} | {n.module},
            ast.Import: lambda n: {alias.name for alias in n.names},
        }.get(type(node), lambda _: set())(node)
        if used & set(names):
            return True
    return False


def _reads_environment(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            return bool({alias.name for alias in node.names} & {"environ", "getenv", "environb"})
    return False


def _configures_logging(source: str) -> bool:
    handling = ("basicConfig", "dictConfig", "fileConfig", "addHandler", "removeHandler", "StreamHandler", "handlers")
    return _names(
        source, *handling, "FileHandler", "QueueHandler", "QueueListener", "logging.config", "logging.handlers"
    )


_PRINTS = re.compile(r"click\.(?:secho|echo|prompt|confirm|pause)|std(?:out|err)(?:\.buffer)?\.write|\bprint\(")
# What only one module may do: (what, how a source is checked for it, which module).
ONLY_IN: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("makes an Allow", lambda source: _calls(source, "Allow"), "authgate/core/decide.py"),
    ("makes an Identity", lambda source: _calls(source, "Identity"), "authgate/tokens/"),
    ("reads the environment", _reads_environment, "authgate/config/load"),
    ("prints", lambda source: bool(_PRINTS.search(source)), "authgate/cli/_terminal.py"),
    ("configures logging", _configures_logging, "authgate/log.py"),
    ("verifies with jwt.decode", lambda source: "jwt.decode(" in source or "PyJWKClient" in source, "nowhere"),
    (
        "imports wiring",
        lambda s: any(i.within("authgate.wiring") for i in imports(s)),
        "authgate/cli/",
    ),
    (
        "takes a stated identity for proven",
        lambda s: any(i.within("authgate.tokens.stated") for i in imports(s)),
        "authgate/cli/",
    ),
)


@pytest.mark.parametrize("path", FILES)
def test_a_file_imports_only_what_its_place_allows(path: str) -> None:
    assert import_faults(path, FILES[path]) == []


@pytest.mark.parametrize(("deed", "is_done_in", "place"), ONLY_IN, ids=[row[0] for row in ONLY_IN])
def test_what_belongs_to_one_place_is_done_nowhere_else(
    deed: str, is_done_in: Callable[[str], bool], place: str
) -> None:
    doing = [path for path, source in FILES.items() if is_done_in(source)]
    assert [path for path in doing if not path.startswith(place)] == [], deed
    assert doing or place == "nowhere", f"nobody {deed}: the test looks for the wrong thing"


# Each endless loop of a task, and why nothing that it meets can end it.
ENDLESS = {
    "authgate/background.py keep_running": "keeps the others running",
    "authgate/gate.py finish": "ends with the decision",
    "authgate/keysources/watched.py watch": "Reloader._start runs it in keep_running",
    "authgate/server/bounded_server.py check_deadlines": "listening() runs it in_background",
    "authgate/server/listener.py _poll_files": "listening() runs it in_background",
    "authgate/server/reload.py _reload_when_due": "Reloader.run runs it in keep_running",
}


def test_every_endless_loop_of_a_task_runs_in_keep_running() -> None:
    found = {
        f"{path} {function.name}"
        for path, source in FILES.items()
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.While) and ast.unparse(statement.test) == "True"
    }
    assert found == {*ENDLESS}


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("authgate/core/")])
def test_the_core_is_small(path: str) -> None:
    assert FILES[path].count("\n") < PURE_MAX_LINES


def test_no_imports_form_a_circle_not_even_those_for_types_alone() -> None:
    assert circle(FILES) == []


def test_a_planted_circle_is_found() -> None:
    planted = {
        "authgate/core/a.py": "from authgate.core import keys",
        "authgate/core/keys.py": "if TYPE_CHECKING:\n    from authgate.core.a import A",
    }
    assert set(circle(FILES | planted)) == {"authgate.core.a", "authgate.core.keys"}


def test_the_pure_packages_open_no_file() -> None:
    for path, source in FILES.items():
        if path.startswith(("authgate/core/", "authgate/tokens/", "authgate/adapters/")):
            assert not _calls(source, "open"), path
            assert not _calls(source, "print"), path


def _compares_presets(source: str) -> bool:
    """Whether *source* asks for the name of a preset or of a kind of store, instead of asking its row."""
    for node in ast.walk(ast.parse(source)):
        operands = (node.left, *node.comparators) if isinstance(node, ast.Compare) else ()
        is_asked = any(
            isinstance(operand, ast.Attribute) and operand.attr in {"preset", "kind"} for operand in operands
        )
        if is_asked and any(isinstance(inner, ast.Constant) for operand in operands for inner in ast.walk(operand)):
            return True
    return False


def test_only_a_preset_and_a_store_know_their_names() -> None:
    assert [path for path, source in FILES.items() if _compares_presets(source)] == []
    assert _compares_presets("if loaded.config.preset == 'better-auth': pass")
    assert _compares_presets("known = store.kind in {'http', 'redis'}")


def test_every_package_is_under_a_rule_of_its_own() -> None:
    unruled = {path for path in FILES if next(rule for rule in RULES if path.startswith(rule.where)) is RULES[-1]}
    outer = ("authgate/config/", "authgate/cli/", "authgate/log.py")
    rest = {path for path in unruled if not path.startswith(outer)}
    alone = ("__init__", "__main__", "record", "wiring")
    assert rest <= {f"authgate/{name}.py" for name in alone}


PLANTED = [
    ("authgate/core/x.py", "import time", "time"),
    ("authgate/core/x.py", "import os.path", "os.path"),
    ("authgate/core/x.py", "def f():\n    from asyncio import sleep", "asyncio"),
    ("authgate/core/x.py", "if TYPE_CHECKING:\n    import logging", "logging"),
    ("authgate/core/x.py", "from authgate.tokens import jwk", "authgate.tokens.jwk"),
    ("authgate/core/x.py", "from authgate import gate", "authgate.gate"),
    ("authgate/core/x.py", "if TYPE_CHECKING:\n    from authgate.gate import Gate", "authgate.gate"),
    ("authgate/core/x.py", "from multidict import CIMultiDict", "multidict"),
    ("authgate/tokens/x.py", "from authgate.adapters import ADAPTERS", "authgate.adapters"),
    ("authgate/tokens/x.py", "import pathlib", "pathlib"),
    ("authgate/tokens/x.py", "import aiohttp", "aiohttp"),
    ("authgate/adapters/x.py", "from authgate.tokens.jwk import from_pem", "authgate.tokens.jwk"),
    ("authgate/adapters/x.py", "import cryptography.x509", "cryptography.x509"),
    ("authgate/keysources/x.py", "from authgate.server.http import answer", "authgate.server.http"),
    ("authgate/keysources/x.py", "import jwt", "jwt"),
    ("authgate/answers.py", "from authgate.tokens import jws", "authgate.tokens.jws"),
    ("authgate/gate.py", "from authgate.keysources import FileSource", "authgate.keysources"),
    ("authgate/gate.py", "from authgate.adapters import ADAPTERS", "authgate.adapters"),
    ("authgate/certificates.py", "from pathlib import Path", "pathlib"),
    ("authgate/certificates.py", "import jwt", "jwt"),
    ("authgate/blocking.py", "from authgate.core import keys", "authgate.core.keys"),
    ("authgate/outbound.py", "from authgate.keysources import LoadFailed", "authgate.keysources"),
    ("authgate/server/x.py", "from cryptography import x509", "cryptography"),
    ("authgate/server/x.py", "from authgate.app import App", "authgate.app"),
    ("authgate/server/x.py", "if TYPE_CHECKING:\n    from authgate.wiring import build", "authgate.wiring"),
    ("authgate/metrics.py", "if TYPE_CHECKING:\n    from authgate.app import App", "authgate.app"),
    ("authgate/server/x.py", "from authgate.answers import Answers", "authgate.answers"),
    ("authgate/server/x.py", "from authgate.config.model import Config", "authgate.config.model"),
    ("authgate/cli/x.py", "from cryptography import x509", "cryptography"),
    ("authgate/wiring.py", "import jwt.algorithms", "jwt.algorithms"),
]


@pytest.mark.parametrize(("path", "source", "module"), PLANTED)
def test_a_planted_import_is_found(path: str, source: str, module: str) -> None:
    assert import_faults(path, source) == [f"{path} imports {module}"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("authgate/core/x.py", "import json\nfrom authgate.core.keys import Key\nfrom __future__ import annotations"),
        ("authgate/tokens/x.py", "import jwt\nfrom cachetools import LRUCache\nfrom authgate.tokens import jws"),
        ("authgate/answers.py", "from authgate.keysources.watched import WatchedKeys\nimport asyncio"),
        ("authgate/server/x.py", "if TYPE_CHECKING:\n    from authgate.app import App"),
    ],
)
def test_an_allowed_import_is_not_reported(path: str, source: str) -> None:
    assert import_faults(path, source) == []


@pytest.mark.parametrize(
    ("deed", "source"),
    [
        ("prints", "click.echo(message, err=True)"),
        ("prints", "sys.stdout.write(message)"),
        ("makes an Allow", "decision = Allow(policy='x')"),
        ("makes an Allow", "return decision.Allow(**fields)"),
        ("makes an Identity", "identity = Identity(subject='x')"),
        ("reads the environment", "import os\nhome = os.environ['HOME']"),
        ("reads the environment", "import os\nhome = os.getenv('HOME')"),
        ("reads the environment", "from os import environ"),
        ("configures logging", "logging.basicConfig()"),
        ("configures logging", "logging.getLogger().handlers = []"),
        ("configures logging", "from logging.handlers import QueueHandler"),
        ("verifies with jwt.decode", "jwt.decode(token, key)"),
        ("imports wiring", "from authgate.wiring import build"),
        ("takes a stated identity for proven", "from authgate.tokens.stated import StatedFormat"),
    ],
)
def test_a_planted_deed_is_seen(deed: str, source: str) -> None:
    is_done_in = next(is_done_in for name, is_done_in, _ in ONLY_IN if name == deed)
    assert is_done_in(source)
    assert not is_done_in("import json\n\nx: Allow | Identity = json.loads('{}')\n_log = logging.getLogger(__name__)")
