"""TLS settings: how they may be written, and every problem of their files at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate import wiring
from authgate.config.load import load
from authgate.core.errors import ConfigError, Problem
from tests.support.certificates import Authority
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CA = Authority()
SOUND = CA.server()
ENVIRON = {"JWT_SECRET": SECRET.decode(), "AUTHGATE_AUDIENCE": "tasks"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    SOUND.write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(CA.pem)
    return tmp_path


def group(folder: Path, **changes: Any) -> dict[str, Any]:
    files = {"certificate_file": f"{folder}/tls.crt", "key_file": f"{folder}/tls.key"} | changes
    return {name: value for name, value in files.items() if value is not None}


def prepared(folder: Path, environ: dict[str, str] | None = None, **settings: Any) -> wiring.Prepared:
    (folder / "c.yaml").write_text(yaml.safe_dump(settings))
    return wiring.prepare(load(str(folder / "c.yaml"), ENVIRON | (environ or {})))


def problems(folder: Path, **settings: Any) -> list[Problem]:
    with pytest.raises(ConfigError) as error:
        prepared(folder, **settings)
    text = str(error.value)
    for pair in (SOUND, CA.server()):
        assert not any(line in text for line in pair.key.decode().splitlines()[1:-1])
    assert "canary" not in text
    return list(error.value.problems)


def test_the_certificate_and_the_trusted_peers_are_announced(folder: Path) -> None:
    found = prepared(folder, tls=group(folder, client_ca_file=f"{folder}/ca.crt", client_names=["a.b", "spiffe://c/d"]))
    assert f"tls: TLS with the certificate of serial {SOUND.serial:x}" in found.announcements
    assert (
        "trusted as proxies: 127.0.0.0/8, ::1/128; every peer with a certificate of tls.client_ca_file that names "
        "a.b or spiffe://c/d" in found.announcements
    )
    assert "PRIVATE" not in repr(found)


def test_tls_that_trusts_nobody_is_rejected(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        prepared(folder, tls=group(folder), trusted_proxies=[])
    assert [problem.setting for problem in error.value.problems] == ["trusted_proxies"]


def test_the_environment_sets_tls(folder: Path) -> None:
    environ = {
        "AUTHGATE_TLS__CERTIFICATE_FILE": f"{folder}/tls.crt",
        "AUTHGATE_TLS__KEY_FILE": f"{folder}/tls.key",
        "AUTHGATE_TLS__CLIENT_CA_FILE": f"{folder}/ca.crt",
        "AUTHGATE_TLS__CLIENT_NAMES": "a.internal, spiffe://b/c",
        "AUTHGATE_ADMIN__TLS__KEY_FILE": f"{folder}/tls.key",
    }
    config = prepared(folder, environ, admin={"listen": "127.0.0.1:1", "tls": group(folder, key_file="gone")}).config
    assert config.tls
    assert config.tls.client_names == ["a.internal", "spiffe://b/c"]
    assert config.admin.tls
    assert (config.admin.listen, config.admin.tls.key_file) == ("127.0.0.1:1", f"{folder}/tls.key")
    assert config.admin.tls.certificate_file == f"{folder}/tls.crt", "the file's, beside the variable's"


def test_an_unknown_setting_within_tls_is_rejected(folder: Path) -> None:
    (problem,) = problems(folder, admin={"tls": group(folder, client_ca_file="x")})
    assert (problem.setting, problem.message) == ("admin.tls.client_ca_file", "is not a setting")
    (problem,) = problems(folder, tls=group(folder, certificate="x"))
    assert (problem.setting, problem.fix) == ("tls.certificate", "did you mean certificate_file?")


@pytest.mark.parametrize("name", ["10.0.0.1", "::1", "[::1]"])
def test_an_address_among_the_names_is_rejected_because_it_never_matches(folder: Path, name: str) -> None:
    names = ["traefik.internal", "spiffe://a/b", name]
    (problem,) = problems(folder, tls=group(folder, client_ca_file=f"{folder}/ca.crt", client_names=names))
    assert problem.setting == "tls.client_names[2]"
    assert f"'{name}' is an address" in f"{problem.message} {problem.fix}"


FAULTS: dict[str, tuple[str, Callable[[Path], Any], str, str]] = {
    "no certificate file": ("tls.crt", lambda path: path.unlink(), "certificate_file", "No such file or directory"),
    "a folder": (
        "tls.key",
        lambda path: (path.unlink(), path.mkdir()),
        "key_file",
        "Is a directory",
    ),
    "no certificate": ("tls.crt", lambda path: path.write_text("canary"), "certificate_file", "holds no certificate"),
    "a certificate cut off": (
        "tls.crt",
        lambda path: path.write_bytes(SOUND.certificate[:200]),
        "certificate_file",
        "holds no certificate",
    ),
    "no key": ("tls.key", lambda path: path.write_text("canary"), "key_file", "holds no private key"),
    "a key cut off": ("tls.key", lambda path: path.write_bytes(SOUND.key[:90]), "key_file", "holds no private key"),
    "another key": (
        "tls.key",
        lambda path: path.write_bytes(CA.server().key),
        "key_file",
        "does not belong to the certificate",
    ),
    "an encrypted key": (
        "tls.key",
        lambda path: path.write_bytes(SOUND.encrypted_key),
        "key_file",
        "the private key is encrypted",
    ),
    "expired": (
        "tls",
        lambda path: CA.server(days=(-3, -1)).write(path.parent),
        "certificate_file",
        "the certificate expired on",
    ),
    "for clients only": (
        "tls",
        lambda path: CA.issue(uses=("client",)).write(path.parent),
        "certificate_file",
        "is for clients only",
    ),
    "not yet valid": (
        "tls",
        lambda path: CA.server(days=(1, 3)).write(path.parent),
        "certificate_file",
        "is not valid before",
    ),
    "too long": ("tls.crt", lambda path: path.write_bytes(b"x" * 70_000), "certificate_file", "longer than 65536"),
    "without an end": (
        "tls.crt",
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        "certificate_file",
        "not a regular file",
    ),
    "an empty CA": ("ca.crt", lambda path: path.write_text(""), "client_ca_file", "holds no certificate"),
    "a CA that is none": (
        "ca.crt",
        lambda path: path.write_bytes(CA.pem + SOUND.certificate),
        "client_ca_file",
        "is not a CA certificate",
    ),
    "no CA file": ("ca.crt", lambda path: path.unlink(), "client_ca_file", "No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "spoil", "setting", "message"), FAULTS.values(), ids=FAULTS)
def test_an_unusable_file_is_rejected(folder: Path, name: str, spoil: Any, setting: str, message: str) -> None:
    spoil(folder / name)
    (problem,) = problems(folder, tls=group(folder, client_ca_file=f"{folder}/ca.crt"))
    assert problem.setting == f"tls.{setting}"
    assert message in problem.message
    assert problem.fix


def test_every_problem_is_reported_at_once_with_those_of_other_settings(folder: Path) -> None:
    (folder / "tls.key").write_text("")
    (folder / "ca.crt").unlink()
    found = problems(
        folder,
        tls=group(folder, client_ca_file=f"{folder}/ca.crt", certificate_file="gone"),
        admin={"tls": group(folder)},
        leeway_seconds=1000,
    )
    assert {problem.setting for problem in found} == {
        *("tls.certificate_file", "tls.key_file", "tls.client_ca_file", "admin.tls.key_file", "leeway_seconds")
    }


def test_client_names_need_a_ca_and_must_not_be_empty(folder: Path) -> None:
    (problem,) = problems(folder, tls=group(folder, client_names=["a"]))
    assert (problem.setting, "has no effect without client_ca_file" in problem.message) == ("tls.client_names", True)
    (problem,) = problems(folder, tls=group(folder, client_ca_file=f"{folder}/ca.crt", client_names=[]))
    assert problem.setting == "tls.client_names"


def test_a_unix_socket_has_no_tls(folder: Path) -> None:
    (problem,) = problems(folder, listen="unix:/tmp/x", tls=group(folder))
    assert (problem.setting, "has no effect on a unix socket" in problem.message) == ("tls", True)
    (problem,) = problems(folder, admin={"listen": "unix:/tmp/x", "tls": group(folder)})
    assert problem.setting == "admin.tls"


def test_a_certificate_that_expires_soon_is_a_warning(folder: Path) -> None:
    CA.server(days=(-1, 3)).write(folder)
    (warning,) = prepared(folder, tls=group(folder)).warnings
    assert warning.startswith("tls.certificate_file: the certificate expires on ")
    assert warning.endswith("in 3.0 days: renew it")


def test_a_private_key_in_the_setting_for_its_file_is_not_quoted(folder: Path) -> None:
    (problem,) = problems(folder, tls=group(folder, key_file=SOUND.key.decode()))
    assert problem.setting == "tls.key_file"
    assert problem.message.startswith("cannot read the file that it names (not shown")
