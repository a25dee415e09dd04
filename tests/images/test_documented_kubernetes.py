"""What the documented lines for Kubernetes put into a cluster works: its pods, really run, with Traefik before them.

That nothing is missing in it is tested in tests/deploy/test_documented_lines.py.
"""

from __future__ import annotations

import ssl
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.certificates import Authority
from tests.support.client import Answer, ask, bearer
from tests.support.documented import WAYS, run
from tests.support.manifests import find
from tests.support.podman import container, eventually, logs
from tests.support.pods import Pod, played
from tests.support.processes import free_port
from tests.support.traefik import as_file_provider, chart_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.manifests import Document

pytestmark = pytest.mark.timeout(300)

ME = "/api/v1/auth/me"
HOST = "tasks.example.com"
FORWARDED = ("Method: GET", "Proto: https", f"Host: {HOST}", f"Uri: {ME}")
FILES = ("ca.crt", "tls.crt", "tls.key")


def issued(documents: Sequence[Document]) -> Iterator[Document]:
    """Make what cert-manager makes: the Secret of each Certificate, under one CA."""
    authority = Authority("AuthGate CA")
    for one in documents:
        if one["kind"] == "Certificate" and not one["spec"].get("isCA"):
            uses = [use.removesuffix(" auth") for use in one["spec"]["usages"] if use.endswith(" auth")]
            pair = authority.issue(*one["spec"]["dnsNames"], uses=tuple(uses))
            files = dict(zip(FILES, (authority.pem, pair.certificate, pair.key), strict=True))
            metadata = {"name": one["spec"]["secretName"], "namespace": one["metadata"]["namespace"]}
            data = {name: b64encode(text).decode() for name, text in files.items()}
            yield {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": metadata,
                "data": data,
            }


class Setup:
    """What the cluster has; its pods run. *folder* is for files."""

    def __init__(self, documents: Sequence[Document], folder: Path) -> None:
        self.documents = documents
        self.folder = folder

    def files(self, secret: str) -> Path:
        """Write a Secret's files into a folder of its name."""
        folder = self.folder / secret
        folder.mkdir(exist_ok=True)
        for name, text in find(self.documents, "Secret", secret)["data"].items():
            (folder / name).write_bytes(b64decode(text))
        return folder

    def ask(self, *headers: str, certificate: str | None) -> Answer:
        """Ask AuthGate as Traefik does, at the Middleware's address; the certificate is this Secret's."""
        url = urlsplit(find(self.documents, "Middleware", "authgate-ask")["spec"]["forwardAuth"]["address"])
        assert url.port
        assert url.hostname
        context = ssl.create_default_context(cafile=self.files("authgate-traefik") / "ca.crt")
        if certificate:
            context.load_cert_chain(self.files(certificate) / "tls.crt", self.files(certificate) / "tls.key")
        described = [f"X-Forwarded-{one}" for one in FORWARDED]
        at = {"host": url.netloc, "address": Pod("authgate").address}
        return ask(url.port, url.path, *described, *headers, **at, tls=(context, url.hostname))


@pytest.fixture(scope="module")
def setup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """The way of the documentation that the test names, its pods running; one way at a time."""
    folder = tmp_path_factory.mktemp("setup")
    documents = run(WAYS[request.param], folder)
    documents += issued(documents)
    with played(documents, folder):
        yield Setup(documents, folder)


sidecar = pytest.mark.parametrize("setup", ["sidecar"], indirect=True)
central = pytest.mark.parametrize("setup", ["central", "central, openssl"], indirect=True)


def token(pod: Pod) -> str:
    """Return a token, made as the page says."""
    return pod.run("authgate", "authgate", "mint", "--sub", "ada")


@sidecar
def test_who_is_signed_in_passes_the_sidecar_and_nobody_else(setup: Setup) -> None:
    pod = Pod("tasks")
    pod.wait_for("http://127.0.0.1:4191/readyz", "http://127.0.0.1:8080/healthz")
    answer = ask(8080, ME, bearer(token(pod)), "X-User-Id: eve", address=pod.address)
    assert (answer.status, answer.json["id"]) == (200, "ada")
    answer = ask(8080, ME, "X-User-Id: eve", address=pod.address)
    assert (answer.status, answer.json["reason"]) == (401, "no_credential")


@pytest.fixture
def authgate(setup: Setup) -> Pod:
    """The central AuthGate, ready."""
    pod = Pod("authgate")
    pod.wait_for("http://127.0.0.1:4191/readyz")
    return pod


@central
def test_who_shows_traefiks_certificate_is_told_the_user(setup: Setup, authgate: Pod) -> None:
    answer = setup.ask(bearer(token(authgate)), certificate="authgate-traefik")
    assert (answer.status, answer.header("X-User-Id")) == (200, "ada")
    assert setup.ask(certificate="authgate-traefik").json["reason"] == "no_credential"


@central
def test_who_shows_no_certificate_is_told_nothing(setup: Setup, authgate: Pod) -> None:
    answer = setup.ask(bearer(token(authgate)), certificate=None)
    assert (answer.status, answer.json["reason"]) == (403, "untrusted_proxy")
    assert answer.header("X-User-Id") is None


@central
def test_who_shows_authgates_own_certificate_is_not_heard(setup: Setup, authgate: Pod) -> None:
    """It is under the same CA, but a server's."""
    with pytest.raises((ssl.SSLError, ConnectionError)):  # the alert, or the end without one
        setup.ask(bearer(token(authgate)), certificate="authgate-tls")


@pytest.fixture
def traefik(setup: Setup, authgate: Pod) -> Iterator[int]:
    """The real Traefik with the cluster's routes, which knows AuthGate by its Service's name; its port."""
    port = free_port()
    dynamic = as_file_provider(
        setup.documents,
        upstream=f"{Pod('tasks').address}:8001",
        authgate="authgate.authgate.svc:4190",
        secret={name: f"/etc/traefik/{name}" for name in FILES},
    )
    folder = setup.files("authgate-traefik")
    (folder / "dynamic.yml").write_text(yaml.safe_dump(dynamic))
    own = (f"--entryPoints.websecure.address=127.0.0.1:{port}", "--providers.file.filename=/etc/traefik/dynamic.yml")
    options = (f"--add-host=authgate.authgate.svc:{authgate.address}", f"--volume={folder}:/etc/traefik:ro")
    with container("localhost/traefik:v3.7", *own, *chart_arguments(), options=options) as name:
        eventually(lambda: serves(port), lambda: logs(name))
        yield port


def serves(port: int) -> bool:
    try:
        return ask(port, "/healthz", host=HOST).status == 200
    except OSError:
        return False


@central
def test_who_is_signed_in_passes_traefik_and_nobody_else(setup: Setup, authgate: Pod, traefik: int) -> None:
    answer = ask(traefik, ME, bearer(token(authgate)), "X-User-Id: eve", host=HOST)
    assert (answer.status, answer.json["id"]) == (200, "ada")
    answer = ask(traefik, ME, "X-User-Id: eve", host=HOST)
    assert (answer.status, answer.json["reason"]) == (401, "no_credential")
