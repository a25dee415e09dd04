"""nginx reads its files without a warning. A warning in the operator's log would hide those that matter."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from authgate.proxies.nginx import generator as nginx
from tests.support.generated import configured
from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from pathlib import Path

ORIGINS = [f"https://app-{number}.example.com" for number in range(60)]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "many headers": {"headers": {f"X-Claim-{number}": f"claims.c{number}" for number in range(60)}},
    "a long header": {"headers": {f"X-{'Long-' * 20}Claim": "claims.long"}},
    "many origins and a page": {
        "cors": {"allowed_origins": ORIGINS},
        "page": {"title": "Tasks", "colour": "#4a6fa5", "contact": "help@example.com"},
        "login_url": "https://app.example.com/sign-in",
    },
    "what is data": {"paths": {"encoded_slash": "data", "semicolon": "data"}},
}


def read_by_nginx(folder: Path) -> str:
    """Return what `nginx -t` says of the files in *folder*."""
    command = [program("nginx", fix="apt-get install nginx-light"), "-t", "-p", folder, "-c", "nginx.conf"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_nginx_has_no_warning_about_the_files(tmp_path: Path, configuration: dict[str, Any]) -> None:
    shutil.copytree(ROOT / "deploy" / "nginx", tmp_path, dirs_exist_ok=True)
    if configuration:
        for name, content in nginx.files(configured(**configuration)).items():
            (tmp_path / name).write_text(content)
    said = read_by_nginx(tmp_path)
    assert "test is successful" in said
    assert "[warn]" not in said
