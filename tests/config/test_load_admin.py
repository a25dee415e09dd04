"""The admin port, read without the model: where it is read at all, it is the one that `load` finds."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.config.load import load
from authgate.config.load_admin import MAX_FILE_BYTES, AdminPort, admin_port
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TLS = "{certificate_file: /tls/tls.crt, key_file: /tls/tls.key}"
LISTENS = ("127.0.0.1:4191", "[::1]:1", "unix:/run/a.sock", "unix:run", "x:99999", "nowhere", "", "4191")
FILES = (
    *(f"admin: {{listen: '{listen}'}}\n" for listen in LISTENS),
    *(f"admin: {{listen: '{listen}', tls: {TLS}}}\n" for listen in LISTENS[:3]),
    "admin: {listen: 4191}\n",
    "admin: {tls: {certificate_file: /tls/tls.crt}}\n",
    "admin: {tls: {certificate_file: '', key_file: k}}\n",
    "admin: {tls: {}}\n",
    "admin: {tls: null}\n",
    "admin: {tls: x}\n",
    f"admin: {{tls: {TLS}}}\n",
    "admin: {listen: 'a:1', listen: 'b:2'}\n",
    "admin: {listne: 'a:1'}\n",
    "admin: {1: 'a:1'}\n",
    "admin: null\n",
    "admin: []\n",
    "admin: {}\n",
    "1: {}\nadmin: {listen: 'a:1'}\n",
    "listen: nonsense\nadmin: {listen: 'a:1'}\n",
    "- admin\n",
    "# nothing\n",
    "",
    " \n",
    "admin: {listen: 'a:1'\n",
    "admin: {listen: 'a:1'}\n---\n{}\n",
    "admin: &a {listen: 'a:1'}\nother: *a\n",
)
VARIABLES = (
    {},
    {"AUTHGATE_ADMIN__LISTEN": "127.0.0.1:5"},
    {"AUTHGATE_admin__Listen": "127.0.0.1:6"},
    {"AUTHGATE_ADMIN__LISTEN": "127.0.0.1:5", "AUTHGATE_admin__listen": "127.0.0.1:6"},
    {"AUTHGATE_ADMIN__LISTEN": ""},
    {"AUTHGATE_ADMIN": "{listen: 'c:3'}"},
    {"AUTHGATE_ADMIN__TLS__CERTIFICATE_FILE": "/c", "AUTHGATE_ADMIN__TLS__KEY_FILE": "/k"},
    {"AUTHGATE_ADMIN__TLS__CERTIFICATE_FILE": "/c"},
    {"AUTHGATE_ADMIN__TLS": "{certificate_file: /c, key_file: /k}"},
    {"AUTHGATE_ADMIN__PORT": "4191"},
    {"AUTHGATE_ADMIN_PORT": "tcp://10.0.0.1:80", "AUTHGATE_ADMINS": "x"},
    {"AUTHGATE_LISTEN": "nonsense"},
    {"authgate_admin__listen": "127.0.0.1:7"},
)
SWITCHES = ("", "true", "false", "maybe")


def agrees(path: Path | None, environ: dict[str, str]) -> AdminPort | None:
    """Return the admin port; if there is one, `load` must find the same."""
    named = None if path is None else str(path)
    found = admin_port(named, environ)
    if found is not None:
        admin = load(named, environ).admin
        assert admin is not None
        assert found == AdminPort(admin.listen, None if admin.tls is None else admin.tls.certificate_file)
    return found


@pytest.mark.parametrize("switch", SWITCHES)
def test_it_is_the_one_that_the_model_has(tmp_path: Path, switch: str) -> None:
    for number, (file, variables) in enumerate(product((None, *FILES), VARIABLES)):
        path = None if file is None else tmp_path / f"{number}.yaml"
        if path is not None and file is not None:
            path.write_text(file)
        agrees(path, {"AUTHGATE_IN_CONTAINER": switch, **variables} if switch else variables)


NAMES = st.sampled_from(["listen", "tls", "certificate_file", "key_file", "admin", "x"])
VALUES = st.sampled_from(["a:1", "/f", "unix:/s", "", "1", "null", "[]", "{}", "yes"])
GROUPS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=3)


def flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {flow(inner)}" for name, inner in value.items()) + "}"
    return f"'{value}'" if value in {"a:1", "", "unix:/s"} else str(value)


@given(GROUPS, st.dictionaries(st.sampled_from([*{name for row in VARIABLES for name in row}]), VALUES, max_size=2))
def test_it_is_the_one_that_the_model_has_for_any_group(
    tmp_path_factory: pytest.TempPathFactory, group: dict[str, object], variables: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(f"admin: {flow(group)}\n")
    agrees(path, variables)


@pytest.mark.parametrize(
    ("file", "environ", "port"),
    [
        (None, {}, AdminPort("127.0.0.1:4191")),
        (None, {"AUTHGATE_IN_CONTAINER": "true"}, AdminPort("0.0.0.0:4191")),
        ("issuers: []\n", {"AUTHGATE_IN_CONTAINER": "true"}, AdminPort("0.0.0.0:4191")),
        ("admin: {listen: 'a:1'}\n", {"AUTHGATE_IN_CONTAINER": "true"}, AdminPort("a:1")),
        ("admin: {listen: 'a:1'}\n", {"AUTHGATE_ADMIN__LISTEN": "b:2"}, AdminPort("b:2")),
        (f"admin: {{listen: 'a:1', tls: {TLS}}}\n", {}, AdminPort("a:1", "/tls/tls.crt")),
        (
            f"admin: {{tls: {TLS}}}\n",
            {"AUTHGATE_ADMIN__TLS__CERTIFICATE_FILE": "/c"},
            AdminPort("127.0.0.1:4191", "/c"),
        ),
        ("listen: nonsense\nadmin: {listen: 'a:1'}\n", {}, AdminPort("a:1")),
        ("admin: {listen: 'a:1', listen: 'b:2'}\n", {}, None),
        ("admin: {listen: nowhere}\n", {}, None),
        ("admin: {tls: {}}\n", {}, None),
        ("# nothing\n", {}, AdminPort("127.0.0.1:4191")),
        ("", {}, None),
    ],
)
def test_what_is_written_plainly_is_read_and_nothing_else(
    tmp_path: Path, file: str | None, environ: dict[str, str], port: AdminPort | None
) -> None:
    if file is not None:
        (tmp_path / "c.yaml").write_text(file)
        environ = {**environ, "AUTHGATE_CONFIG": str(tmp_path / "c.yaml")}
    assert agrees(None, environ) == port


def test_a_file_that_cannot_be_read_is_left_to_the_model(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff")
    for name in ("long.yaml", "bytes.yaml", "missing.yaml", "."):
        assert admin_port(str(tmp_path / name), {}) is None


def test_a_health_check_imports_neither_the_model_nor_a_server(tmp_path: Path) -> None:
    """It runs every 10 seconds on the processor of the container, and had 5 seconds of a busy one for all imports."""
    (tmp_path / "c.yaml").write_text("admin: {listen: 'unix:/nowhere'}\n")
    script = "import sys\nfrom authgate.__main__ import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"
    command = [sys.executable, "-c", script, "healthcheck", "--config", tmp_path / "c.yaml"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "does not answer" in ran.stderr
    modules = ran.stdout.split()
    assert {"pydantic", "aiohttp", "asyncio", "cryptography", "logging"}.isdisjoint(modules)
    ours = {name for name in modules if name.startswith("authgate.")}
    assert len(ours) <= 20, sorted(ours)
    assert len(modules) < 330
