"""The generated pages and the examples of the documentation are true. Links: tests/docs/test_check.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from authgate.config.load import load
from authgate.config.model import Config
from authgate.core.reasons import REASONS, Reason
from docs import generate
from tests.support import documented

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["configuration.md", "metrics.md", "reasons.md", "../README.md"])
def test_a_generated_page_is_what_the_generator_makes(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == generate.pages()[name], "run make docs"


def test_every_reason_has_a_row_and_every_text_fits_into_a_header() -> None:
    assert set(REASONS) == set(Reason)
    for refusal in REASONS.values():
        assert re.fullmatch(r"[ -!#-\[\]-~]+", refusal.text), "RFC 6750 §3: error_description is quoted ASCII"
        assert refusal.fix


def test_the_example_configuration_is_sound() -> None:
    config = Config.model_validate(yaml.safe_load((ROOT / "docs" / "example.yaml").read_text()))
    assert len(config.issuers) == 2


def test_every_example_with_several_issuers_keeps_their_users_apart(tmp_path: Path) -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    texts = [(page, text) for page in pages for text in documented.code(str(page), "yaml")]
    texts += [(file, file.read_text()) for file in (*ROOT.glob("docs/**/*.yaml"), *ROOT.glob("deploy/*/**/*gate.yaml"))]
    examples = [(path, text) for path, text in texts if text.count("    preset: ") > 1]
    assert len({path for path, _ in examples}) >= 5
    for path, text in examples:
        (tmp_path / "authgate.yaml").write_text(text)
        problems = load(str(tmp_path / "authgate.yaml"), {}).problems
        assert not [problem for problem in problems if problem.setting.endswith("subject_prefix")], path


def test_the_architecture_names_files_and_names_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    paths = [str(path.relative_to(ROOT)) for path in (ROOT / "authgate").rglob("*.py")]
    sources = "".join((ROOT / path).read_text() for path in paths)
    for name in re.findall(r"(?<![\w/])((?:\w+/)*\w+\.py)", text):
        if name.endswith("/x.py") or name.startswith("tests/"):
            continue
        assert any(f"/{path}".endswith(f"/{name}") for path in paths), name
    for name in re.findall(r"`([A-Z]\w*[a-z]\w*|[A-Z]+(?:_[A-Z]+)*)(?:\.(\w+))?`", text):
        for part in filter(None, name):
            assert re.search(rf"\b{part}\b", sources), part


def test_the_threat_model_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text()
    names = re.findall(r"`((?:\w+/)*test_\w+\.py)`", text)
    assert len(names) > 30
    assert [name for name in names if not (ROOT / "tests" / name).exists()] == []
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for identifier in set(re.findall(r"\b[HJP]\d+\b", text)):
        assert f"test_{identifier}_" in tests, identifier


def test_every_row_about_neighbors_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "security-testing.md").read_text()
    section = page.partition("## Neighbors that fail or lie\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.endswith("| Test |")]
    assert len(rows) > 60
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)(?: -k (\w+))?`", row.rsplit("|", 2)[1])
        assert named, row
        for file, words in named:
            tests = re.findall(r"^(?:async )?def (test_\w+)", (ROOT / "tests" / file).read_text(), re.MULTILINE)
            assert [test for test in tests if words in test], f"{file} -k {words}"
