"""docs/two-applications.md: its configurations are valid, its cases pass, and what it says of its settings is true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support import commands, documented
from tests.support.tokens import OTHER_SECRET, SECRET

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "docs/two-applications.md"
EXAMPLES = ("Two front ends", "A front end and a partner")


def written(folder: Path, heading: str, remove: str = "") -> tuple[Path, Path]:
    """Write the configuration and the cases under *heading*; return their paths. *remove* is a pattern to leave out."""
    config, cases = documented.blocks(PAGE, heading, "yaml")
    changed = re.sub(remove, "", config) if remove else config
    assert not remove or changed != config
    for name in re.findall(r"/run/secrets/(\w+)", config):
        (folder / name).write_bytes(OTHER_SECRET if name == "admin_secret" else SECRET)
    paths = folder / "authgate.yaml", folder / "tests.yaml"
    for path, text in zip(paths, (changed.replace("/run/secrets/", f"{folder}/"), cases), strict=True):
        path.write_text(text)
    return paths


@pytest.mark.parametrize("heading", EXAMPLES)
def test_the_cases_of_an_example_pass_and_check_warns_of_nothing(tmp_path: Path, heading: str) -> None:
    config, cases = written(tmp_path, heading)
    ended = commands.authgate("test", "--config", config, cases)
    assert (ended.returncode, ended.stdout) == (0, f"{len(yaml.safe_load(cases.read_text()))} passed\n"), ended
    checked = commands.authgate("check", "--config", config)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("heading", EXAMPLES)
@pytest.mark.parametrize(
    ("remove", "code", "words"),
    [
        pytest.param(r" +subject_prefix: .*\n", 78, "subject_prefix: is missing", id="no prefix"),
        pytest.param(r" +issuers: \[.*\n", 0, "open to the users of every issuer", id="no issuers"),
    ],
)
def test_what_an_example_says_is_needed(tmp_path: Path, heading: str, remove: str, code: int, words: str) -> None:
    config, _ = written(tmp_path, heading, remove)
    ended = commands.authgate("check", "--config", config)
    assert ended.returncode == code
    assert words in " ".join(ended.stderr.split())


def test_two_front_ends_with_cookies_of_the_same_names_are_refused(tmp_path: Path) -> None:
    config, _ = written(tmp_path, EXAMPLES[0], r" +cookies: .*\n")
    ended = commands.authgate("check", "--config", config)
    assert (ended.returncode, "both read the cookie" in ended.stderr) == (78, True)
