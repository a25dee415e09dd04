"""The check finds no error in the files that we ship, and in the examples of the documentation."""

from __future__ import annotations

import re

import pytest

from tests.support import documented
from tests.support.checked_nginx import GENERATED, PROTECTED, check, errors, main, warnings
from tests.support.processes import ROOT

# nginx's files of every folder that has some. The files of one name are the same, or the tests of deploy/ fail.
SHIPPED = {path.name: path.read_text() for path in sorted((ROOT / "deploy").glob("*/*.conf"))} | {
    path.name: path.read_text() for path in sorted((ROOT / "deploy").glob("*/*/*.conf")) if path.name != "nginx.conf"
}
MAINS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*/*.conf", "*/*/*.conf")
    for path in (ROOT / "deploy").glob(pattern)
    if "\nhttp {" in path.read_text()
)
PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
EXAMPLES = [
    (page, number, block) for page in PAGES for number, block in enumerate(documented.code(page, "nginx"), start=1)
]


def test_there_are_shipped_files_to_check() -> None:
    assert {"deploy/nginx/nginx.conf", "deploy/nginx/sidecar.conf", "deploy/stack/edge/nginx.conf"} <= {*MAINS}


@pytest.mark.parametrize("name", MAINS)
def test_a_shipped_file_passes(name: str) -> None:
    path = ROOT / name
    beside = {file.name: file.read_text() for file in path.parent.glob("*.conf")}
    found = check(path.read_text(), SHIPPED | beside)
    assert errors(found) == []
    assert not [message for message in warnings(found) if "ignore case" not in message]


@pytest.mark.parametrize(("page", "number", "block"), EXAMPLES, ids=[f"{page} {n}" for page, n, _ in EXAMPLES])
def test_a_documented_example_passes(page: str, number: int, block: str) -> None:
    """A block may be a whole http {}, or what belongs into one, into a server, or into a location."""
    first = re.search(r"^\w+", block, re.MULTILINE)
    assert first, f"{page} {number}"
    inside = {"location": main(block), "server": main(PROTECTED, servers=block), "http": f"events {{}}\n{block}"}
    asks_by_tls = re.sub(r"proxy_pass .*;", "", GENERATED["authgate_server.conf"], count=1)
    asks_by_tls = asks_by_tls.replace("internal;", f"internal;\n{block}", 1)
    files = SHIPPED | GENERATED
    if first[0] not in inside:
        files |= {"authgate_server.conf": asks_by_tls}
    assert errors(check(inside.get(first[0], main(PROTECTED)), files)) == []
