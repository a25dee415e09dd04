"""Check the documentation's links and the words of everything that people read. `make lint` runs it.

Links and anchors are checked in every page, and where any other file of the project names a page (`docs/….md`).
The words are checked against docs/plain-words.txt, in Markdown's prose and in Python's comments and strings.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
WORDS = Path(__file__).with_name("plain-words.txt")
# The file that plants broken links and bad words to test this one.
PLANTED = "tests/docs/test_check.py"

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|\b(?:src|href)=\"([^\"]+)\"")
_PAGE = re.compile(r"\b(docs/[\w/-]+\.md)(#[\w-]+)?")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)
_TARGET = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


def broken_links(root: Path, files: list[Path]) -> Iterator[str]:
    """Yield "file:line: message" for every link whose file, page or anchor is missing below *root*."""
    for file in files:
        text = _text(file)
        if file.suffix == ".md":
            prose = _blank(_blank(text, _FENCE), _CODE)
            links = [(match, match[1] or match[2], file.parent) for match in _LINK.finditer(prose)]
        else:
            links = [(match, match[1] + (match[2] or ""), root) for match in _PAGE.finditer(text)]
        for match, link, base in links:
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = base / name if name else file
            place = f"{file.relative_to(root)}:{_line(text, match.start())}"
            if not target.exists():
                yield f"{place}: {link}: there is no such file"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                yield f"{place}: {link}: the page has no such heading"


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of *page*, as GitHub makes them from its headings."""
    text = page.read_text()
    names: dict[str, int] = {}
    for heading in _HEADING.findall(_blank(text, _FENCE)):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        names[name] = names.get(name, -1) + 1
        if names[name]:
            names[f"{name}-{names[name]}"] = 0
    return frozenset({*names, *_TARGET.findall(text)})


def unplain_words(root: Path, files: list[Path], patterns: list[tuple[re.Pattern[str], str]]) -> Iterator[str]:
    """Yield "file:line: message" for every match of *patterns* in the prose of *files*."""
    for file in files:
        text = prose(file)
        for pattern, better in patterns:
            for match in pattern.finditer(text):
                quoted = " ".join(match[0].split())
                yield f'{file.relative_to(root)}:{_line(text, match.start())}: "{quoted}": better {better}'


def words(text: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the pattern and the better wording of each line of plain-words.txt.

    A space matches any white space and a comment's `#`, so that phrases are found across line breaks. A pattern
    without capital letters ignores case.
    """
    rows = [line.partition(" => ") for line in text.splitlines() if line and not line.startswith("#")]
    return [
        (re.compile(pattern.replace(" ", r"[\s#]+"), 0 if re.search(r"[A-Z]", pattern) else re.IGNORECASE), better)
        for pattern, _, better in rows
    ]


def prose(file: Path) -> str:
    """Return the text of *file* with everything but its prose blanked out, so that lines keep their numbers."""
    text = _text(file)
    if file.suffix == ".py":
        text = _comments_and_strings(text)
    return _blank(_blank(text, _FENCE), _CODE)


def _comments_and_strings(source: str) -> str:
    lines = source.splitlines(keepends=True)
    kept = [["\n" if character == "\n" else "\0" for character in line] for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING} or "FSTRING" in tokenize.tok_name[token.type]:
            (first, start), (last, end) = token.start, token.end
            for number in range(first - 1, last):
                begin = start if number == first - 1 else 0
                stop = end if number == last - 1 else len(lines[number])
                kept[number][begin:stop] = lines[number][begin:stop]
    return "".join(character for line in kept for character in line)


def _blank(text: str, pattern: re.Pattern[str]) -> str:
    return pattern.sub(lambda match: re.sub(r"[^\n]", "\0", match[0]), text)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except UnicodeDecodeError:  # a picture
        return ""


def project_files(root: Path) -> list[Path]:
    """Return every file that git tracks or would add, except PLANTED."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    return [root / name for name in names if name != PLANTED and (root / name).is_file()]


def main() -> int:
    """Print every problem; return 1 if there is any."""
    files = project_files(ROOT)
    plain = [file for file in files if file.suffix in {".md", ".py"}]
    problems = [
        *broken_links(ROOT, files),
        *unplain_words(ROOT, plain, words(WORDS.read_text())),
    ]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
