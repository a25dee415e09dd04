"""docs/refusals.md: every example of a configuration is valid. tests/e2e/test_refusals.py has the answers."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from authgate.config.load import load
from authgate.proxies import PROXIES
from authgate.proxies.settings import proxy_settings
from authgate.wiring import prepare
from tests.support.documented import code
from tests.support.node import node
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = code("docs/refusals.md", "yaml")
ISSUER = {"name": "app", "preset": "jwt", "secret": SECRET.decode(), "audiences": ["tasks"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.partition(":")[0])
def test_an_example_is_a_valid_configuration(example: str, tmp_path: Path) -> None:
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [ISSUER]} | yaml.safe_load(example)))
    loaded = load(str(path), {})
    assert loaded.problems == ()
    assert prepare(loaded).snapshot.policies.policies


def test_the_policies_of_a_whole_site_open_the_sign_in_page_without_a_warning(tmp_path: Path) -> None:
    (example,) = (example for example in EXAMPLES if "/_next/static" in example)
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [ISSUER]} | yaml.safe_load(example)))
    prepared = prepare(load(str(path), {}))
    assert [warning for warning in prepared.warnings if "login_url" in warning] == []


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_files_of_a_proxy_do_not_depend_on_the_sign_in_page(proxy: str, tmp_path: Path) -> None:
    made = []
    for number, example in enumerate(({}, {"login_url": "https://app.example.com/sign-in"})):
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump({"issuers": [ISSUER], **example}))
        loaded = load(str(path), {})
        assert loaded.config is not None
        made.append(next(iter(PROXIES[proxy].forms.values()))(proxy_settings(loaded.config, loaded)))
    assert made[0] == made[1]


def test_the_page_has_an_example_of_each_setting() -> None:
    assert {name for example in EXAMPLES for name in yaml.safe_load(example)} >= {
        "login_url",
        "page",
        "cors",
        "policies",
    }


def test_the_lines_for_a_sign_in_page_lead_only_to_its_own_site() -> None:
    own = "https://app.example.com"
    led = {
        "https://app.example.com/tasks?open=1": f"{own}/tasks?open=1#third",
        "/tasks?open=1": f"{own}/tasks?open=1#third",
        "": f"{own}/#third",
        "https://[": f"{own}/#third",
        "https://ada:secret@app.example.com/x": f"{own}/x#third",
        "https://app.example.com//evil.example": f"{own}//evil.example#third",
        **dict.fromkeys(
            (
                "https://evil.example/",
                "//evil.example",
                "/\\evil.example",
                "http://app.example.com/",
                "https://app.example.com:8443/",
                "https://app.example.com.evil.example/",
                "javascript:alert(1)",
                "blob:https://app.example.com/1",
            ),
            own,
        ),
    }
    (example,) = code("docs/refusals.md", "ts")
    (function,) = re.findall(r"^function .*?^}$", example, re.DOTALL | re.MULTILINE)
    script = f"""
        {function.replace("(): string", "()")}
        console.log(JSON.stringify({json.dumps(list(led))}.map((address) => {{
            globalThis.location = new URL("{own}/sign-in?return_to=" + encodeURIComponent(address) + "#third");
            return returnAddress();
        }})));
    """
    ran = subprocess.run([node(), "-e", script], capture_output=True, text=True, check=True)
    assert dict(zip(led, json.loads(ran.stdout), strict=True)) == led
