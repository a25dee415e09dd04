"""docs/check.py finds broken links and wording that is on the list, each with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs import check

if TYPE_CHECKING:
    from pathlib import Path


def broken(folder: Path, page: str, *, name: str = "page.md") -> list[str]:
    file = folder / name
    file.write_text(page)
    return [*check.broken_links(folder, [file])]


def unplain(folder: Path, text: str, *, name: str = "page.md") -> list[str]:
    file = folder / name
    file.write_text(text)
    return [*check.unplain_words(folder, [file], check.words(check.WORDS.read_text()))]


def test_every_link_of_the_project_leads_somewhere() -> None:
    assert [*check.broken_links(check.ROOT, check.project_files(check.ROOT))] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "keys.md").write_text(
        "# Keys\n\n## When a `key` is [used](x.md), and why\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "link",
    [
        "[a](docs/keys.md)",
        "[a](docs/keys.md#when-a-key-is-used-and-why)",
        "[a](docs/keys.md#twice-1)",
        "[a](docs)",
        "[a](#here)\n\n## Here",
        "[a](https://example.com/nothing#here)",
        '<a name="here"></a> [a](#here)',
        "`[a](code.md)`",
        "```\n[a](code.md)\n```",
    ],
)
def test_a_link_that_leads_somewhere_passes(link: str, folder: Path) -> None:
    assert broken(folder, link) == []


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("[a](docs/kyes.md)", "docs/kyes.md"),
        ("[a](docs/keys.md#when)", "docs/keys.md#when"),
        ("[a](docs/keys.md#twice-2)", "docs/keys.md#twice-2"),
        ("[a](docs/keys.md#no-heading)", "docs/keys.md#no-heading"),
        ("[a](#there)", "#there"),
        ("![a](picture.png)", "picture.png"),
        ('<img src="picture.png">', "picture.png"),
        ("[a\nb](docs/kyes.md 'title')", "docs/kyes.md"),
    ],
)
def test_a_broken_link_is_found(link: str, target: str, folder: Path) -> None:
    (problem,) = broken(folder, f"# Page\n\n{link}\n")
    assert re.match(rf"page\.md:[34]: {re.escape(target)}: ", problem)


@pytest.mark.parametrize("mention", ["docs/keys.md", "docs/keys.md#twice"])
def test_a_comment_may_name_a_page(mention: str, folder: Path) -> None:
    assert broken(folder, f"# {mention}: why\n", name="code.py") == []


@pytest.mark.parametrize("mention", ["docs/kyes.md", "docs/keys.md#when"])
def test_a_comment_that_names_a_missing_page_is_found(mention: str, folder: Path) -> None:
    (problem,) = broken(folder, f"\n# See {mention}: why\n", name="code.py")
    assert problem.startswith(f"code.py:2: {mention}: ")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("page.md", "Fine.\nOf the cookies, one.", 2),
        ("page.md", "A long line that is\ntold of here.", 2),
        ("code.py", '"""Return it.\n\nOf the keys, one.\n"""', 3),
        ("code.py", "x = 1  # a look-up", 1),
        ("code.py", "# it is told\n# of here", 1),
        ("code.py", 'x = "mend it"', 1),
        ("code.py", 'x = 1\ny = f"{x} is mended"', 2),
    ],
)
def test_wording_on_the_list_is_found(name: str, text: str, line: int, tmp_path: Path) -> None:
    problems = unplain(tmp_path, f"{text}\n", name=name)
    assert problems
    assert problems[0].startswith(f"{name}:{line}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "Of course it works."),
        ("page.md", "The field `told of` and a block:\n\n```\nOf all\n```"),
        ("code.py", "mended = anew = whom = 1"),
    ],
)
def test_other_wording_passes(name: str, text: str, tmp_path: Path) -> None:
    assert unplain(tmp_path, f"{text}\n", name=name) == []
