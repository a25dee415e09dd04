"""The shipped files for Traefik are the output of `authgate proxy traefik --defaults`, and its forms agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from authgate.core.spellings import SPELLINGS, Spelling
from authgate.proxies import PROXIES
from authgate.proxies.settings import default_settings
from tests.support.processes import ROOT

FORMS = PROXIES["traefik"].forms
DEPLOY = ROOT / "deploy"
CONTAINER = "authgate:4190"
CENTRAL = "https://authgate.authgate.svc:4190"
# What is refused if `paths` takes encoded slashes and semicolons as data.
WITH_DATA = tuple(spelling for spelling in SPELLINGS if spelling.setting is None)


def generated(form: str, name: str, address: str | None = None, **changes: Any) -> str:
    return FORMS[form](replace(default_settings(address), **changes))[name]


def entry_point(path: str) -> dict[str, Any]:
    """Return the entry point of a static configuration, without its address."""
    settings = yaml.safe_load((ROOT / path).read_text())["entryPoints"]["web"]
    return {name: value for name, value in settings.items() if name != "address"}


def flat(tree: Any, path: str = "") -> dict[str, str]:
    """Return *tree* as labels: from path, in lower case, to value."""
    if isinstance(tree, dict) and tree:
        return {name: value for key, below in tree.items() for name, value in flat(below, f"{path}.{key}").items()}
    value = ",".join(tree) if isinstance(tree, list) else "true" if tree == {} else str(tree)
    return {path.lower(): value.lower() if isinstance(tree, bool) else value}


@pytest.mark.parametrize(
    ("path", "form", "name", "address"),
    [
        ("traefik/dynamic/authgate.yml", "file", "dynamic/authgate.yml", None),
        ("traefik/authgate-entrypoint.yml", "file", "authgate-entrypoint.yml", None),
        ("traefik/compose/dynamic/authgate.yml", "file", "dynamic/authgate.yml", CONTAINER),
        ("traefik/compose/authgate-entrypoint.yml", "file", "authgate-entrypoint.yml", CONTAINER),
        ("stack/edge/dynamic/authgate.yml", "file", "dynamic/authgate.yml", CONTAINER),
        ("stack/edge/authgate-entrypoint.yml", "file", "authgate-entrypoint.yml", CONTAINER),
        ("kubernetes/central/middlewares.yaml", "crd", "middlewares.yaml", CENTRAL),
        ("kubernetes/central/traefik-values.yaml", "crd", "traefik-values.yaml", CENTRAL),
    ],
)
def test_a_shipped_file_is_generated(path: str, form: str, name: str, address: str | None) -> None:
    assert (DEPLOY / path).read_text() == generated(form, name, address)


@pytest.mark.parametrize(
    "path",
    [
        *("deploy/traefik/traefik.yml", "deploy/traefik/compose/traefik.yml", "deploy/traefik/labels/traefik.yml"),
        "deploy/stack/edge/traefik.yml",
    ],
)
def test_every_entry_point_is_the_generated_one(path: str) -> None:
    assert entry_point(path) == entry_point("deploy/traefik/authgate-entrypoint.yml")


def shipped_routes(folder: str) -> dict[str, Any]:
    """Return what routes.yml of deploy/traefik/FOLDER defines."""
    http: dict[str, Any] = yaml.safe_load((DEPLOY / "traefik" / folder / "routes.yml").read_text())["http"]
    return http


def test_the_routes_of_docker_compose_are_those_of_one_machine_with_another_address() -> None:
    one_machine, compose = shipped_routes("dynamic"), shipped_routes("compose/dynamic")
    assert compose.pop("services")["tasks"]["loadBalancer"]["servers"] == [{"url": "http://tasks:8001"}]
    del one_machine["services"]
    assert compose == one_machine


def test_the_shipped_labels_are_generated_apart_from_their_routes() -> None:
    text = generated("labels", "authgate-labels.yml", CONTAINER)
    lines = [f"    {line}" for line in text.partition("labels:\n")[2].splitlines()]
    shipped = (DEPLOY / "traefik" / "labels" / "compose.yml").read_text()
    assert shipped.endswith("\n".join(lines) + "\n")
    labels = yaml.safe_load(shipped)["services"]["tasks"]["labels"]
    routes = shipped_routes("dynamic")["routers"]
    for route in routes.values():
        assert route.pop("service") == "tasks"  # the container has one service, so labels need not name it
    own = labels.keys() - yaml.safe_load(text)["labels"].keys()
    assert {name: labels[name].replace("$$", "$") for name in own} == flat(routes, "traefik.http.routers") | {
        "traefik.enable": "true",
        "traefik.docker.network": "authgate_tasks",
        "traefik.http.services.tasks.loadbalancer.server.port": "8001",
    }


@pytest.mark.parametrize("address", [None, CENTRAL])
@pytest.mark.parametrize("refused", [SPELLINGS, WITH_DATA])
def test_labels_say_what_the_file_says(address: str | None, refused: tuple[Spelling, ...]) -> None:
    http = yaml.safe_load(generated("file", "dynamic/authgate.yml", address, refused=refused))["http"]
    labels = yaml.safe_load(generated("labels", "authgate-labels.yml", address, refused=refused))["labels"]
    assert {name.lower(): value.replace("$$", "$") for name, value in labels.items()} == flat(http, "traefik.http")


@pytest.mark.parametrize("refused", [SPELLINGS, WITH_DATA])
def test_resources_say_what_the_file_says(refused: tuple[Spelling, ...]) -> None:
    documents = [*yaml.safe_load_all(generated("crd", "middlewares.yaml", refused=refused))]
    http = yaml.safe_load(generated("file", "dynamic/authgate.yml", refused=refused))["http"]
    middlewares = {row["metadata"]["name"]: row["spec"] for row in documents if row["kind"] == "Middleware"}
    for chain in (middlewares["authgate"]["chain"], middlewares["authgate-public"]["chain"]):
        chain["middlewares"] = [middleware["name"] for middleware in chain["middlewares"]]
    assert middlewares == http["middlewares"]
    (route,) = [row["spec"]["routes"][0] for row in documents if row["kind"] == "IngressRoute"]
    router = http["routers"]["authgate-refused-tls"]
    assert (route["match"], route["priority"]) == (router["rule"], router["priority"])


def test_the_chart_has_the_settings_of_the_entry_point() -> None:
    arguments = yaml.safe_load(generated("crd", "traefik-values.yaml"))["additionalArguments"]
    settings = flat(yaml.safe_load(generated("file", "authgate-entrypoint.yml"))["entryPoints"]["web"])
    assert {argument.lower() for argument in arguments if "entryPoints" in argument} == {
        f"--entrypoints.websecure{name}={value}" for name, value in settings.items()
    }


def test_over_tls_traefik_has_a_ca_and_a_certificate() -> None:
    http = yaml.safe_load(generated("file", "dynamic/authgate.yml", CENTRAL))["http"]
    ask = http["middlewares"]["authgate-ask"]["forwardAuth"]
    assert ask["address"] == f"{CENTRAL}/auth/traefik"
    assert ask["tls"].keys() == {"ca", "cert", "key"}


@pytest.mark.parametrize(
    ("setting", "option", "rule"),
    [("semicolon", "allowEncodedSemicolon", "(?i);`"), ("encoded_slash", "allowEncodedSlash", None)],
)
def test_a_spelling_that_is_data_is_not_refused(setting: str, option: str, rule: str | None) -> None:
    refused = tuple(spelling for spelling in SPELLINGS if spelling.setting != setting)
    for spellings, is_allowed in ((SPELLINGS, False), (refused, True)):
        text = generated("file", "authgate-entrypoint.yml", refused=spellings)
        assert yaml.safe_load(text)["entryPoints"]["web"]["http"]["encodedCharacters"][option] is is_allowed
        if rule:
            assert (rule in generated("file", "dynamic/authgate.yml", refused=spellings)) is not is_allowed


def test_a_file_for_traefik_behind_another_proxy_does_not_say_to_generate_it_so() -> None:
    for behind, is_said in (((), True), (("192.0.2.7/32",), False)):
        for form, name in (("file", "authgate-entrypoint.yml"), ("crd", "traefik-values.yaml")):
            text = generated(form, name, behind=behind)
            assert ("generate with --behind" in text) is is_said
            assert ("192.0.2.7/32" in text) is not is_said


def test_a_header_name_that_yaml_would_read_as_a_boolean_stays_a_name() -> None:
    http = yaml.safe_load(generated("file", "dynamic/authgate.yml", identity_headers=("No", "X-1")))["http"]
    assert http["middlewares"]["authgate-ask"]["forwardAuth"]["authResponseHeaders"][:2] == ["No", "X-1"]
    assert "No" in http["middlewares"]["authgate-remove"]["headers"]["customRequestHeaders"]


def test_each_route_of_the_stack_has_the_protected_or_the_public_middleware() -> None:
    routes = yaml.safe_load((DEPLOY / "stack" / "edge" / "dynamic" / "traefik-routes.yml").read_text())["http"]
    assert routes["middlewares"] == {"small-bodies": {"buffering": {"maxRequestBodyBytes": 65536}}}
    assert {name: (router["service"], router["middlewares"]) for name, router in routes["routers"].items()} == {
        "auth": ("web", ["authgate-public", "small-bodies"]),
        "private": ("web", ["authgate", "small-bodies"]),
        "api": ("tasks", ["authgate", "authgate-strip", "small-bodies"]),
        "health": ("tasks", ["authgate", "authgate-strip"]),
        "pages": ("web", ["authgate-public", "small-bodies"]),
    }
