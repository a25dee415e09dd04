"""AuthGate accepts the configuration of the pods as shipped, and rejects it with a mistake."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support import processes
from tests.support.commands import authgate
from tests.support.manifests import carried_configuration, container, find, rendered
from tests.support.processes import ROOT, free_port, running
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

EXIT_CONFIG = 78

# The variables that Kubernetes sets in every pod for a Service named authgate, unless enableServiceLinks is false.
SERVICE_LINKS = {
    "AUTHGATE_SERVICE_HOST": "10.96.0.7",
    "AUTHGATE_SERVICE_PORT": "4190",
    "AUTHGATE_SERVICE_PORT_AUTH": "4190",
    "AUTHGATE_PORT": "tcp://10.96.0.7:4190",
    "AUTHGATE_PORT_4190_TCP": "tcp://10.96.0.7:4190",
    "AUTHGATE_PORT_4190_TCP_PROTO": "tcp",
    "AUTHGATE_PORT_4190_TCP_PORT": "4190",
    "AUTHGATE_PORT_4190_TCP_ADDR": "10.96.0.7",
}

SHAPES = ["sidecar", "central"]


def write_files(shape: str, folder: Path) -> dict[str, str]:
    """Write the container's files, secrets included, below *folder*, and return its environment."""
    environ = carried_configuration(rendered(shape), folder)
    secrets = folder / "run" / "secrets"
    (secrets / "authgate" / "jwt_secret").write_bytes(SECRET)
    if shape == "central":
        authority = trustme.CA()
        leaf = authority.issue_cert("authgate.authgate.svc")
        leaf.cert_chain_pems[0].write_to_path(secrets / "authgate-tls" / "tls.crt")
        leaf.private_key_pem.write_to_path(secrets / "authgate-tls" / "tls.key")
        authority.cert_pem.write_to_path(secrets / "authgate-tls" / "ca.crt")
    return environ


def check(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `authgate check` in exactly this environment."""
    return authgate("check", environ=environ)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("links", [{}, SERVICE_LINKS], ids=["", "with service links"])
def test_authgate_accepts_the_configuration_of_the_pod(shape: str, links: dict[str, str], tmp_path: Path) -> None:
    ran = check(write_files(shape, tmp_path) | links | {"AUTHGATE_IN_CONTAINER": "true"})
    assert ran.returncode == 0, ran.stderr
    expected = "127.0.0.1:4190" if shape == "sidecar" else "0.0.0.0:4190"
    assert f"listen: {expected}\n" in ran.stdout, "the file overrides the image's default"
    assert "listen: 0.0.0.0:4191" in ran.stdout
    assert "warning" not in ran.stderr


def test_it_starts_with_service_links_in_its_environment(tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    listen = {"AUTHGATE_LISTEN": f"127.0.0.1:{port}", "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}"}
    command = [sys.executable, "-m", "authgate", "serve"]
    environ = write_files("sidecar", tmp_path) | SERVICE_LINKS | listen
    with running(command, tmp_path / "log", port=port, environ=environ) as process:
        assert processes.ask(admin, "/readyz").status == 200
        assert processes.stop(process) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trusted_proxies: [127.0.0.1/32]", "trusted_proxies: [0.0.0.0/0]", "trusts everybody"),
        ("trusted_proxies:", "trusted_proxy:", "did you mean trusted_proxies?"),
        ("audiences: [tasks]", "", "audiences: is missing"),
        ("preset: jwt", "preset: next-auth", "'next-auth' is not an allowed value"),
        ("127.0.0.1:4190", "127.0.0.1", "is not an address to listen at"),
        ("authgate/jwt_secret", "authgate/jwt-secret", "No such file"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    environ = write_files("sidecar", tmp_path)
    path = tmp_path / "etc" / "authgate" / "authgate.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    ran = check(environ)
    assert (ran.returncode, message in ran.stderr) == (EXIT_CONFIG, True), ran.stderr


@pytest.mark.parametrize(
    ("secret", "message"),
    [(None, "No such file"), (b"", "0 bytes long"), (b"short", "bytes"), (SECRET + b" ", "white space")],
    ids=["missing", "empty", "short", "space"],
)
def test_an_unusable_secret_is_refused(secret: bytes | None, message: str, tmp_path: Path) -> None:
    environ = write_files("sidecar", tmp_path)
    path = tmp_path / "run" / "secrets" / "authgate" / "jwt_secret"
    path.unlink()
    if secret is not None:
        path.write_bytes(secret)
    ran = check(environ)
    assert (ran.returncode, message in ran.stderr) == (EXIT_CONFIG, True), ran.stderr


@pytest.mark.parametrize("file", ["tls.crt", "tls.key", "ca.crt"])
def test_a_missing_file_of_the_certificate_is_refused(file: str, tmp_path: Path) -> None:
    environ = write_files("central", tmp_path)
    (tmp_path / "run" / "secrets" / "authgate-tls" / file).unlink()
    ran = check(environ)
    assert (ran.returncode, file in ran.stderr) == (EXIT_CONFIG, True), ran.stderr


@pytest.mark.parametrize("shape", ["sidecar", "central"])
def test_every_file_that_the_configuration_names_is_in_a_mounted_directory(shape: str) -> None:
    documents = rendered(shape)
    mounts = {mount["mountPath"] for mount in container(documents, "authgate")["volumeMounts"]}
    text = find(documents, "ConfigMap", "authgate")["data"]["authgate.yaml"]
    named = [line.split(": ", 1)[1].strip() for line in text.splitlines() if "_file: " in line]
    assert named
    assert {path.rpartition("/")[0] for path in named} <= mounts


def test_certificates_have_the_names_that_both_sides_expect() -> None:
    documents = rendered("central-cert-manager")
    address = find(documents, "Middleware", "authgate-ask")["spec"]["forwardAuth"]["address"]
    service = find(documents, "Service", "authgate")
    host, port = address.removeprefix("https://").split("/")[0].split(":")
    assert host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert int(port) == service["spec"]["ports"][0]["port"]
    assert host in find(documents, "Certificate", "authgate-tls")["spec"]["dnsNames"]
    names = find(documents, "Certificate", "authgate-traefik")["spec"]["dnsNames"]
    text = find(documents, "ConfigMap", "authgate")["data"]["authgate.yaml"]
    assert f"client_names: [{', '.join(names)}]" in text
    tls = find(documents, "Middleware", "authgate-ask")["spec"]["forwardAuth"]["tls"]
    assert set(tls.values()) == {find(documents, "Certificate", "authgate-traefik")["spec"]["secretName"]}
    mounted = {volume["secret"]["secretName"] for volume in _volumes(documents) if "secret" in volume}
    assert find(documents, "Certificate", "authgate-tls")["spec"]["secretName"] in mounted


def _volumes(documents: list[dict[str, object]]) -> list[dict[str, dict[str, str]]]:
    deployment: dict[str, dict[str, dict[str, dict[str, list[dict[str, dict[str, str]]]]]]]
    deployment = find(documents, "Deployment", "authgate")
    return deployment["spec"]["template"]["spec"]["volumes"]


def test_the_documented_openssl_lines_make_certificates_of_the_right_names(tmp_path: Path) -> None:
    openssl = processes.program("openssl", fix="apt-get install openssl")
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (lines,) = (block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "openssl req" in block)
    created = subprocess.run(["sh", "-eu", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert created.returncode == 0, created.stderr
    for use, name, purpose in (("server", "authgate.authgate.svc", "sslserver"), ("client", "traefik", "sslclient")):
        flags = ["-CAfile", "ca.crt", "-x509_strict", "-purpose", purpose, "-verify_hostname", name, f"{use}.crt"]
        ran = subprocess.run([openssl, "verify", *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
