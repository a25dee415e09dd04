"""What `authgate proxy traefik --check` finds, and that it finds nothing in the files that we ship."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate.core.header_names import OVERRIDES, with_trailing_marks
from authgate.core.spellings import SPELLINGS
from authgate.proxies.findings import Source, Unusable
from authgate.proxies.settings import default_settings
from authgate.proxies.traefik import generator as traefik
from authgate.proxies.traefik.check import findings
from tests.support import commands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.spellings import Spelling
    from authgate.proxies.findings import Finding
    from authgate.proxies.settings import ProxySettings

SETTINGS = default_settings()
IDENTITY = SETTINGS.identity_headers
ROUTES = """
http:
  routers:
    api: {rule: "PathPrefix(`/api/`)", service: tasks, middlewares: [authgate]}
    health: {rule: "Path(`/healthz`)", service: tasks, middlewares: [authgate-public]}
"""
LABELS = """
services:
  tasks:
    labels:
      - traefik.http.routers.api.rule=PathPrefix(`/api/`)
      - traefik.http.routers.api.middlewares=authgate@docker
      - traefik.http.routers.health.rule=Path(`/healthz`)
      - traefik.http.routers.health.middlewares=authgate-public
  traefik:
    command: [--entryPoints.web.http.aliasHeadersStrategy=delete, --entryPoints.web.http.maxHeaderBytes=28672, ENCODED]
""".replace(
    "ENCODED",
    ", ".join(
        f"--entryPoints.web.http.encodedCharacters.{name}=false"
        for name in re.findall(r"(\w+): false", traefik.files(SETTINGS)["authgate-entrypoint.yml"])
        if name.startswith("allow")
    ),
)
RESOURCES = """
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: tasks}
spec:
  tls: {}
  routes:
    - {match: "PathPrefix(`/api/`)", services: [{name: tasks}], middlewares: [{name: authgate}]}
    - {match: "Path(`/healthz`)", services: [{name: tasks}], middlewares: [{name: authgate-public}]}
"""
# For each form, its generated files and routes.
FORMS = {
    "file": traefik.files(SETTINGS) | {"routes.yml": ROUTES},
    "labels": traefik.labels(SETTINGS) | {"compose.yml": LABELS},
    "crd": traefik.resources(SETTINGS) | {"routes.yaml": RESOURCES},
}


def check(files: Mapping[str, str], settings: ProxySettings = SETTINGS) -> list[Finding]:
    def included(pattern: str) -> list[tuple[str, str]]:
        return [(name, text) for name, text in files.items() if name.endswith(pattern.rpartition("*")[2])]

    return findings(Source(name="traefik", text="", included=included, is_folder=True), settings)


def errors(found: list[Finding]) -> list[str]:
    return [finding.message for finding in found if finding.is_error]


@pytest.mark.parametrize(
    "name", ["deploy/traefik", "deploy/stack/edge", "deploy/traefik/labels/compose.yml", "deploy/kubernetes/central"]
)
def test_the_shipped_files_pass(name: str) -> None:
    ended = commands.authgate("proxy", "traefik", "--defaults", "--check", name, environ={})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "✗" not in ended.stdout


@pytest.mark.parametrize("form", FORMS)
def test_the_generated_files_of_each_form_pass(form: str) -> None:
    assert errors(check(FORMS[form])) == []


NAMES = (*IDENTITY, *with_trailing_marks(IDENTITY), *OVERRIDES, *with_trailing_marks(OVERRIDES))


@pytest.mark.parametrize("name", NAMES)
def test_without_any_one_line_about_a_header_an_error_names_it(name: str) -> None:
    text = FORMS["file"]["dynamic/authgate.yml"]
    line = f'          {name}: ""\n'
    assert text.count(line) == 1
    found = errors(check(FORMS["file"] | {"dynamic/authgate.yml": text.replace(line, "")}))
    assert found
    assert all(message.startswith(f"{name} reaches the upstream as the client sent it") for message in found)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_removes_every_header(form: str) -> None:
    for name in NAMES:
        lines = [line for text in FORMS[form].values() for line in text.splitlines() if line.endswith(f'{name}: ""')]
        assert len(lines) == 1
    files = {name: re.sub(r"\n.*: \"\"(?=\n)", "", text) for name, text in FORMS[form].items()}
    assert len(errors(check(files))) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spelling", [row for row in SPELLINGS if row.decoded], ids=lambda row: row.name)
def test_without_any_one_row_of_a_path_an_error_names_the_row(form: str, spelling: Spelling) -> None:
    rule = f"PathRegexp(`(?i){spelling.decoded}`)".replace("$", "$$" if form == "labels" else "$")
    files = {name: text.replace(rule, "PathRegexp(`x`)") for name, text in FORMS[form].items()}
    assert files != FORMS[form]
    assert errors(check(files)) == [f'has no row for these paths, so they may pass: "{spelling.name}"']


ENTRY_POINT = traefik.files(SETTINGS)["authgate-entrypoint.yml"].replace("  web:\n", "  web:\n    address: :80\n")
ASKS = "{rule: a, service: x, middlewares: [authgate]}"
ONLY_ASKS = "{rule: a, service: x, middlewares: [authgate-ask]}"
# (what is in the file of the middlewares, what is there instead, the router, a part of the error)
MISTAKES = [
    ("", "", "{rule: a, service: x}", "removes no header of clients"),
    ("", "", "{rule: a, service: x, middlewares: [other]}", "removes no header of clients"),
    ("", "", ONLY_ASKS, "another method or another path"),
    ("- X-User-Id\n", "- X-Other\n", ASKS, "answer never reaches"),
    ("- X-User-Id\n", "- X-Other\n", ONLY_ASKS, "a client can pose as another user"),
    ("", "", "{rule: a, service: x, middlewares: [authgate-ask, authgate-public]}", "after AuthGate has set it"),
    ("trustForwardHeader: false", "trustForwardHeader: true", ASKS, "a client names what"),
    ("trustForwardHeader: false", 'trustForwardHeader: "1"', ASKS, "a client names what"),
    ("trustForwardHeader: false", "tls: {insecureSkipVerify: true}", ASKS, "is not verified"),
    ("", "", "{rule: a, service: x, middlewares: [authgate], priority: 2000000000}", "takes paths before"),
    ("2000000000", "1", ASKS, "takes paths before"),
    ("", "", "{rule: a, service: x, middlewares: [authgate-strip, authgate]}", "credentials before AuthGate is asked"),
    ("sourceRange: [255.255.255.255/32]", "sourceRange: [0.0.0.0/0]", ASKS,
     "no router refuses paths"),
    ("      priority: 2000000000", "      entryPoints: [other]", ASKS, "no router refuses paths"),
    ("      priority: 2000000000", "      entryPoints: [other]\n      priority: 2000000000",
     "{rule: a, service: x, middlewares: [authgate], entryPoints: [web]}", "without TLS at web"),
    ("priority: 2000000000", "priority: 3", ("{rule: a, service: x, middlewares: [authgate], priority: 5}, "
     "high: {rule: b, middlewares: [authgate-refuse], priority: 9}"), "takes paths before authgate-refused can"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "instead", "router", "message"), MISTAKES, ids=[f"{m[3]} {m[2]}" for m in MISTAKES])
def test_a_mistake_is_an_error(part: str, instead: str, router: str, message: str) -> None:
    middlewares = traefik.files(SETTINGS)["dynamic/authgate.yml"]
    assert part in middlewares
    files = {"a.yml": middlewares.replace(part, instead), "b.yml": f"http: {{routers: {{mine: {router}}}}}"}
    assert any(message in error for error in errors(check(files))), check(files)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("aliasHeadersStrategy: delete", "aliasHeadersStrategy: keep"),
        ("aliasHeadersStrategy: delete", ""),
        ("allowEncodedSlash: false", "allowEncodedSlash: true"),
        ("allowEncodedBackSlash: false", ""),
        ("insecure: false", "insecure: true"),
        *(
            ("insecure: false", f"trustedIPs: [{networks}]")
            for networks in (
                "192.0.2.7, 0.0.0.0/0",
                "192.0.2.7/0",
                "0.0.0.0/1, 192.0.2.7/1",
                "'::/1', '8000::/1'",
                "'::ffff:0:0/96'",
                "'::ffff:0:0/97', 128.0.0.0/1",
            )
        ),
    ],
)
def test_a_mistake_in_an_entry_point_is_an_error(part: str, instead: str) -> None:
    assert part in ENTRY_POINT
    assert check(FORMS["file"] | {"traefik.yml": ENTRY_POINT}) == []
    assert len(errors(check(FORMS["file"] | {"traefik.yml": ENTRY_POINT.replace(part, instead)}))) == 1


@pytest.mark.parametrize("networks", ["0.0.0.0/1", "'::/1', 128.0.0.0/1", "'', a, 192.0.2.7/33, 10.0.0.0/8"])
def test_an_entry_point_that_trusts_some_addresses_is_no_mistake(networks: str) -> None:
    point = ENTRY_POINT.replace("insecure: false", f"trustedIPs: [{networks}]")
    assert errors(check(FORMS["file"] | {"traefik.yml": point})) == []


def test_behind_another_proxy_the_middleware_and_the_entry_points_belong_together() -> None:
    """Traefik removes X-Forwarded-* of other peers, and the middleware removes what AuthGate decides about."""
    behind = {}
    for front in ((), ("192.0.2.7/32", "2001:db8::/64")):
        made = traefik.files(replace(SETTINGS, behind=front))
        point = made["authgate-entrypoint.yml"].replace("  web:\n", "  web:\n    address: :80\n")
        behind[bool(front)] = made["dynamic/authgate.yml"], point
    for asks, trusts, message in (
        (False, False, None),
        (True, True, None),
        (False, True, "address and scheme of the proxy before"),
        (True, False, "no entry point trusts"),
    ):
        found = check({"a.yml": behind[asks][0], "traefik.yml": behind[trusts][1], "routes.yml": ROUTES})
        assert errors(found) == []
        assert [message in finding.message for finding in found if message] == [True] * len(found)
        assert bool(found) is bool(message)
    for name in ("X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Uri"):
        text = behind[True][0].replace(f'          {name}: ""\n', "")
        found = check({"a.yml": text, "traefik.yml": behind[True][1], "routes.yml": ROUTES})
        assert any(f"with {name}, a client names" in error for error in errors(found))


def test_a_router_that_refuses_counts_at_each_entry_point_that_it_names() -> None:
    """One without names counts at all."""
    middlewares = FORMS["file"]["dynamic/authgate.yml"]
    there = middlewares.replace(
        "      priority: 2000000000", "      entryPoints: [Web, admin]\n      priority: 2000000000"
    )
    assert there != middlewares
    router = "http: {routers: {mine: {rule: a, service: x, middlewares: [authgate], POINTS}}}"
    for points, is_safe in (("entryPoints: [web]", True), ("entryPoints: [web, other]", False), ("priority: 1", False)):
        files = {"a.yml": there, "b.yml": router.replace("POINTS", points)}
        assert (errors(check(files)) == []) is is_safe
        assert errors(check(files | {"a.yml": middlewares})) == []
    known = {"traefik.yml": ENTRY_POINT, "a.yml": there, "b.yml": router.replace("POINTS", "priority: 1")}
    assert errors(check(known)) == []


@pytest.mark.parametrize("chain", ["[a, authgate, a]", "[b, a, authgate, b]"])
def test_a_chain_that_names_itself_is_read_once(chain: str) -> None:
    chains = f"http: {{middlewares: {{a: {{chain: {{middlewares: {chain}}}}}, b: {{chain: {{middlewares: [a, a]}}}}}}}}"
    routes = ROUTES.replace("[authgate]", "[a]")
    assert errors(check(FORMS["file"] | {"routes.yml": routes, "chains.yml": chains})) == []


@pytest.mark.parametrize("last", ["authgate", "nothing"])
def test_a_chain_with_too_many_parts_is_unusable(last: str) -> None:
    chains = {f"c{n}": {"chain": {"middlewares": [f"c{n + 1}"] * 2}} for n in range(40)}
    chains["c40"] = {"chain": {"middlewares": [last]}}
    text = json.dumps({"http": {"middlewares": chains, "routers": {"x": {"rule": "a", "middlewares": ["c0"]}}}})
    with pytest.raises(Unusable, match="x has more than 1000 middlewares"):
        check(FORMS["file"] | {"chains.yml": text})


# Routes that pass requests at two entry points, and an entry point "other" beside that of the page.
ROUTED = "http: {routers: {mine: {rule: a, service: x, middlewares: [authgate], MORE}}}"
OTHER = ENTRY_POINT.replace("web:", "other:").replace(":80\n", ":81\n").replace("entryPoints:\n", "")
DEFAULT = ENTRY_POINT.replace("  web:\n", "  web:\n    asDefault: true\n")


@pytest.mark.parametrize(
    ("web", "more", "is_safe"),
    [
        (ENTRY_POINT, "entryPoints: [other]", True),
        (DEFAULT, "entryPoints: [web]", True),
        (DEFAULT, "priority: 1", True),
        (DEFAULT, "entryPoints: [other]", False),
        (DEFAULT, "entryPoints: [web, other]", False),
    ],
)
def test_with_as_default_the_routers_that_refuse_are_at_those_entry_points_alone(
    web: str, more: str, *, is_safe: bool
) -> None:
    found = check(FORMS["file"] | {"traefik.yml": web + OTHER, "mine.yml": ROUTED.replace("MORE", more)})
    message = "no router refuses paths that Traefik and the upstream may read differently, for routers without TLS at "
    assert [e.startswith(message) for e in errors(found)] == ([] if is_safe else [True])


@pytest.mark.parametrize(
    ("point", "scheme", "router", "is_redirected"),
    [
        ("", "https", "", True),
        ("", "http", "", False),
        ("", "https", "tls: {}", False),
        ("    http: {tls: {}}\n", "https", "", False),
        ("    forwardedHeaders: {trustedIPs: [10.0.0.1]}\n", "https", "", False),
        ("    forwardedHeaders: {insecure: true}\n", "https", "", False),
        ("    forwardedHeaders: {insecure: false, trustedIPs: []}\n", "https", "", True),
        ("", "https", "middlewares: [claims, redirect]", False),
    ],
)
def test_a_router_that_redirects_every_request_needs_no_other_middleware(
    point: str, scheme: str, router: str, *, is_redirected: bool
) -> None:
    router = router if "middlewares" in router else f"middlewares: [redirect], {router}"
    routes = f"""
http:
  middlewares:
    redirect: {{redirectScheme: {{scheme: {scheme}}}}}
    claims: {{headers: {{customRequestHeaders: {{X-Forwarded-Proto: https}}}}}}
  routers: {{plain: {{rule: c, service: x, entryPoints: [plain], {router}}}}}
"""
    files = {"traefik.yml": f"{ENTRY_POINT}  plain:\n    address: :82\n{point}", "more.yml": routes}
    found = [f.message for f in check(FORMS["file"] | files) if f.subject == "router plain"]
    assert any("removes no header of clients" in message for message in found) is not is_redirected


def test_a_router_for_a_service_of_traefik_needs_no_middleware() -> None:
    router = "http: {routers: {dashboard: {rule: b, service: api@internal}}}"
    assert errors(check(FORMS["file"] | {"more.yml": router})) == []


TCP = "tcp: {routers: {mine: {rule: HostSNI(`*`), service: x, MORE}}}"
# (a TCP router, whether its finding is an error; None if there is none)
TCP_ROUTERS = [
    (TCP.replace("MORE", "priority: 1"), True),
    (TCP.replace("MORE", "entryPoints: [web]"), True),
    (TCP.replace("MORE", "entryPoints: [db]"), None),
    (TCP.replace("MORE", "tls: {passthrough: true}"), False),
    ("services: {x: {labels: [traefik.tcp.routers.mine.rule=HostSNI(`*`)]}}", True),
    ("services: {x: {labels: [traefik.tcp.routers.mine.tls=true]}}", False),
    ("{kind: IngressRouteTCP, metadata: {name: mine}, spec: {routes: [{match: HostSNI(`*`)}]}}", True),
    ("{kind: IngressRouteTCP, metadata: {name: mine}, spec: {tls: {}, routes: [{match: HostSNI(`*`)}]}}", False),
]


@pytest.mark.parametrize(("text", "is_error"), TCP_ROUTERS, ids=[text for text, _ in TCP_ROUTERS])
def test_a_tcp_router_at_the_same_entry_point_takes_requests_first(text: str, *, is_error: bool | None) -> None:
    """A router that names no entry point is at the default one."""
    static = {"traefik.yml": DEFAULT + '  db: {address: ":5432"}\n', "mine.yml": text}
    found = [f for f in check(FORMS["file"] | static) if f.subject.endswith(" mine")]
    assert [f.is_error for f in found] == ([] if is_error is None else [is_error])
    assert all("before your routers see them" in f.message for f in found)


@pytest.mark.parametrize(
    ("point", "mine", "is_error"),
    [
        ('{address: ":53/udp"}', "priority: 1", False),
        ('{address: ":8082"}', "entryPoints: [web]", False),
        ('{address: ":8082"}', "priority: 1", True),
        ('{address: ":8080", http: {redirections: {entryPoint: {to: web}}}}', "entryPoints: [web]", False),
        # A request without Host is not redirected: Traefik's rule for it is HostRegexp(`^.+$`).
        ('{address: ":8080", http: {redirections: {entryPoint: {to: web}}}}', "priority: 1", True),
    ],
)
def test_an_entry_point_that_no_router_with_a_service_is_at_needs_nothing(
    point: str, mine: str, *, is_error: bool
) -> None:
    files = {"a.yml": FORMS["file"]["dynamic/authgate.yml"], "mine.yml": ROUTED.replace("MORE", mine)}
    found = check(files | {"traefik.yml": f"{ENTRY_POINT}  more: {point}\n"})
    assert {f.subject for f in found} == ({"entry point more"} if is_error else set())


def test_lists_in_lists_of_middlewares_are_left_out() -> None:
    """Each alias doubles the list: as text it would not fit into memory."""
    lists = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    text = f"{lists}http: {{routers: {{r: {{rule: a, service: x, middlewares: *a39}}}}}}"
    assert any("removes no header of clients" in error for error in errors(check(FORMS["file"] | {"a.yml": text})))


def test_a_list_of_resources_as_kubectl_prints_it_is_read() -> None:
    items = [
        document for name in ("middlewares.yaml", "routes.yaml") for document in FORMS["crd"][name].split("\n---\n")
    ]
    indented = "".join("- " + "\n  ".join(item.strip().splitlines()) + "\n" for item in items)
    text = f"kind: List\nitems:\n{indented}"
    found = findings(Source(name="-", text=text, included=lambda _: []), SETTINGS)
    assert errors(found) == []


def test_routes_of_another_kind_are_named() -> None:
    found = check(FORMS["crd"] | {"more.yaml": "kind: Ingress\nmetadata: {name: shop}\n"})
    assert [f.subject for f in found if "is not checked" in f.message] == ["Ingress shop"]


@pytest.mark.parametrize("text", ["", "a: b", "http: [", "http: {routers: {{ env }}: a", "[" * 1_000, "&a [*a]"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(Unusable):
        check({"a.yml": text})


_WORDS = st.sampled_from(
    ["http", "routers", "middlewares", "a", "authgate", "chain", "rule", "priority", "kind", "items", "List", "1"]
)
_TREES = st.recursive(_WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3))


@settings(max_examples=60)
@given(st.text(max_size=40) | st.dictionaries(st.sampled_from(["http", "services", "kind", "items"]), _TREES).map(str))
def test_any_text_is_checked_or_refused_with_a_message(text: str) -> None:
    with contextlib.suppress(Unusable):
        check({"a.yml": text, "b.yml": ROUTES})


def test_an_entry_point_that_refuses_data_is_a_warning() -> None:
    kept = tuple(spelling for spelling in SPELLINGS if spelling.setting is None)
    old = traefik.files(SETTINGS) | {"routes.yml": ROUTES, "traefik.yml": ENTRY_POINT}
    source = Source(name="traefik", text="", included=lambda p: [*old.items()] if "yml" in p else [], is_folder=True)
    found = findings(source, replace(SETTINGS, refused=kept))
    refusing = [f.message.partition(",")[0] for f in found if "takes as data" in f.message and not f.is_error]
    assert refusing == ["allowEncodedSlash is false", "allowEncodedSemicolon is false"]


@pytest.mark.parametrize("form", ["file", "labels", "crd"])
def test_a_router_that_does_not_ask_must_refuse_what_paths_takes_as_data(form: str) -> None:
    data = replace(SETTINGS, refused=tuple(row for row in SETTINGS.refused if row.setting != "semicolon"))
    generate = {"file": traefik.files, "labels": traefik.labels, "crd": traefik.resources}[form]
    own = FORMS[form].keys() - generate(SETTINGS).keys()
    old = errors(check(FORMS[form], data))
    assert [message for message in old if "only AuthGate can decide about" in message]
    new = FORMS[form] | generate(data)
    assert own <= new.keys()
    assert errors(check(new, data)) == []
