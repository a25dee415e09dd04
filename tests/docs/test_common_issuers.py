"""docs/formats/jwt.md: the settings in its table of issuers without a preset are valid together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.situations.explained import publish
from tests.support.ruling import configured
from tests.support.tokens import SECRET

PAGE = Path("docs/formats/jwt.md").read_text()
TABLE = PAGE.partition("### Issuers without a preset")[2].partition("\n### ")[0]
ROWS = dict(re.findall(r"^\| ([A-Z]?[\w ()]+?) \| (.*) \|$", TABLE.replace("| Issuer |", ""), re.MULTILINE))
SETTING = re.compile(r"`((?:issuer|discovery|jwks_url|audiences|algorithms|identity|require_claims): [^`]+)`")


@pytest.mark.parametrize("name", ROWS)
def test_the_settings_of_a_row_are_valid_together(tmp_path: Path, name: str) -> None:
    settings: dict[str, object] = {"audiences": "any", "name": "idp", "preset": "jwt"}
    for text in SETTING.findall(ROWS[name]):
        for setting, value in yaml.safe_load(text).items():
            known = settings.get(setting)
            settings[setting] = {**known, **value} if isinstance(known, dict) else value
    publish(tmp_path)
    is_public = settings.pop("discovery", None) or settings.pop("jwks_url", None)
    settings |= {"jwks_file": f"{tmp_path}/jwks.json"} if is_public else {"secret": SECRET.decode() * 2}
    snapshot = configured(tmp_path, yaml.safe_dump({"issuers": [settings]}))
    assert "identity" not in settings or snapshot.issuer("idp").identity


def test_the_table_has_two_issuers() -> None:
    assert len(ROWS) == 2
