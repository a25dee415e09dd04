"""`authgate proxy nginx --check FILE`: what it prints, and its exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.cli._proxy_source import read_source
from authgate.proxies.findings import Unusable
from tests.support import commands, documented
from tests.support.checked_nginx import GENERATED, PROTECTED, PUBLIC, main

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the generated files, and an nginx.conf that includes them."""
    for name, text in GENERATED.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "nginx.conf").write_text(main(PROTECTED + PUBLIC))
    return tmp_path


def check(
    file: object, *arguments: object, defaults: bool = True, stdin: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    """Run the check without a variable in the environment."""
    extra = ["--defaults"] if defaults else []
    ended = commands.authgate("proxy", "nginx", "--check", file, *extra, *arguments, environ={}, stdin=stdin)
    assert "Traceback" not in ended.stderr
    return ended


def test_a_sound_file_passes_with_one_line(folder: Path) -> None:
    ended = check(folder / "nginx.conf")
    assert (ended.returncode, ended.stdout) == (0, f"✓ {folder}/nginx.conf: no error found\n")


def test_warnings_alone_do_not_fail(folder: Path) -> None:
    (folder / "authgate_upstream.conf").write_text("upstream authgate { server 127.0.0.1:4190; }\n")
    ended = check(folder / "nginx.conf")
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"! {folder}/authgate_upstream.conf:1 location = /_authgate: ")
    assert ended.stdout.endswith(f"✓ {folder}/nginx.conf: no error found, 1 warning\n")


def test_errors_come_first_each_with_its_place_and_its_fix(folder: Path) -> None:
    file = folder / "nginx.conf"
    file.write_text(main(PROTECTED + "\nlocation / {\n    proxy_pass http://pages;\n}"))
    (folder / "authgate_upstream.conf").write_text("upstream authgate { server 127.0.0.1:4190; }\n")
    ended = check(file)
    first, fix, _, warning, *_, verdict = ended.stdout.splitlines()
    assert ended.returncode == 1
    assert first.startswith(f"✗ {file}:9 location /: does not ask AuthGate, and removes no header of clients")
    assert fix == "    → include authgate_protect.conf; (or authgate_public.conf, if everybody may see it)"
    assert warning.startswith("! ")
    assert verdict == f"✗ {file}: 1 error, 1 warning"


def test_the_same_mistake_in_several_places_is_printed_once(folder: Path) -> None:
    locations = "\n".join(f"location /{n} {{ proxy_pass http://tasks; }}" for n in range(6))
    (folder / "nginx.conf").write_text(main(PROTECTED + locations))
    ended = check(folder / "nginx.conf")
    assert ended.stdout.count("does not ask AuthGate") == 1
    assert f"also {folder}/nginx.conf:9 location /1" in ended.stdout
    assert "and 2 more" in ended.stdout
    assert ended.stdout.endswith(": 1 error\n")


def test_a_dump_of_nginx_is_read_from_standard_input(folder: Path) -> None:
    files = {"nginx.conf": main(PROTECTED)} | GENERATED
    dump = "".join(f"# configuration file /etc/nginx/{name}:\n{text}\n" for name, text in files.items())
    assert check("-", stdin=dump).stdout == "✓ standard input: no error found\n"


def test_patterns_include_files_relative_to_the_checked_file(folder: Path) -> None:
    (folder / "sites").mkdir()
    (folder / "sites" / "a.conf").write_text("location /open/ { proxy_pass http://tasks; }\n")
    (folder / "nginx.conf").write_text(main(PROTECTED + "include sites/*.conf; include none/*.conf;"))
    assert f"✗ {folder}/sites/a.conf:1 location /open/:" in check(folder / "nginx.conf").stdout


def test_the_headers_of_the_configuration_are_checked(folder: Path, config_file: Path) -> None:
    config_file.write_text(config_file.read_text() + "headers: {X-User-Id: subject, X-Tenant: claims.tenant}\n")
    ended = check(folder / "nginx.conf", "--config", config_file, defaults=False)
    assert ended.returncode == 1
    assert "auth_request_set $authgate_header_x_tenant $upstream_http_x_tenant;" in ended.stdout
    assert 'proxy_set_header X-Tenant "";' in ended.stdout


UNUSABLE: list[tuple[bytes, str]] = [
    (b"http {", ":1: the block that begins here has no }"),
    (b"http { include missing.conf; }", "missing.conf: No such file or directory; "),
    (b"http { include .; }", "Is a directory"),
    (b"http { include a\0b; }", "embedded null byte"),
    (b"http { include big; }", "it is longer than 1048576 bytes"),
    (b"server { listen 80; }", "there is no server {} in an http {}"),
    (b"\xff\xfe\x00", "the file ends within a directive"),
]


@pytest.mark.parametrize(("content", "message"), UNUSABLE, ids=[message for _, message in UNUSABLE])
def test_a_file_that_cannot_be_used_exits_with_2(folder: Path, content: bytes, message: str) -> None:
    (folder / "big").write_bytes(b"#" * (1024 * 1024 + 1))
    (folder / "nginx.conf").write_bytes(content)
    ended = check(folder / "nginx.conf")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr


def test_a_missing_file_exits_with_2(tmp_path: Path) -> None:
    ended = check(tmp_path / "nginx.conf")
    assert (ended.returncode, ended.stderr) == (2, f"{tmp_path}/nginx.conf: No such file or directory\n")


def test_too_long_a_standard_input_exits_with_2() -> None:
    ended = check("-", stdin=b"#" * (8 * 1024 * 1024 + 1))
    assert (ended.returncode, ended.stderr) == (2, "standard input: it is longer than 8388608 bytes\n")


@pytest.mark.parametrize("proxy", ["nginx", "traefik", "caddy"])
def test_an_empty_standard_input_exits_with_2(proxy: str) -> None:
    ended = commands.authgate("proxy", proxy, "--defaults", "--check", "-", environ={}, stdin="\n")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "standard input: it is empty. Did the command before it fail?\n"


def test_an_invalid_configuration_exits_with_78(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "authgate.yaml").write_text("issuers: []\n")
    assert check(folder / "nginx.conf", "--config", tmp_path / "authgate.yaml", defaults=False).returncode == 78


@pytest.mark.parametrize("arguments", [("--output", "x"), ("--form", "files"), ("--address", "a:1")], ids=str)
def test_options_of_the_output_are_refused(folder: Path, arguments: tuple[str, str]) -> None:
    ended = check(folder / "nginx.conf", *arguments)
    assert ended.returncode == 2
    assert "--check prints no configuration" in ended.stderr


def test_control_characters_of_a_file_do_not_reach_the_terminal(folder: Path) -> None:
    (folder / "nginx.conf").write_text(main(PROTECTED + "location /\x1b[31m { proxy_pass http://x; }"))
    ended = check(folder / "nginx.conf")
    assert "\x1b" not in ended.stdout
    assert "location /\\x1b[31m" in ended.stdout


def test_the_documented_example_is_what_the_check_prints(folder: Path) -> None:
    (example,) = documented.blocks("docs/adapters/nginx.md", "Check your files", "console")
    command, _, output = example.partition("\n")
    (folder / "nginx.conf").write_text(main(f"{PROTECTED}\nlocation /files/ {{ proxy_pass http://files; }}"))
    arguments = command.removeprefix("$ authgate ").replace("nginx.conf", str(folder / "nginx.conf")).split()
    printed = commands.authgate(*arguments, environ={}).stdout
    assert printed.replace(f"{folder}/", "") == output


def test_a_pattern_that_names_too_many_files_is_refused_before_one_is_read(tmp_path: Path) -> None:
    for number in range(1_000):
        (tmp_path / f"{number}.yml").touch()
    assert len(read_source(str(tmp_path), "").included("**/*.yml")) == 1_000
    (tmp_path / "more.yml").mkdir()  # it cannot be read
    with pytest.raises(Unusable, match="more than 1000 files"):
        read_source(str(tmp_path), "").included("**/*.yml")
