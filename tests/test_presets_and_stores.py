"""A preset, a provider and a session store are each one file and one row: a copy of AuthGate gets one of each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.situations.explained import publish
from tests.support.processes import ROOT
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PRESET = '''
"""Preset `acme`: opaque session cookies of a made-up library."""

from __future__ import annotations

from typing import ClassVar, Literal

from authgate.presets import authjs
from authgate.presets.preset import Preset, Variables, secret_in
from authgate.presets.settings import SessionSettings
from authgate.tokens import FORMATS, derived
from authgate.tokens.authjs import database


class AcmeIssuer(SessionSettings):
    """Session cookies of Acme."""

    cookie: ClassVar[str] = "acme.sid"

    preset: Literal["acme"]
    """acme: the issuer makes session cookies of Acme."""
    region: Literal["north", "south"] = "north"
    """Where Acme runs."""


def _from_environment(environ):
    if not environ.get("ACME_SECRET"):
        return None
    return {"name": "acme", "preset": "acme", "url": environ.get("ACME_URL"), **secret_in("ACME_SECRET", environ)}


PRESET = Preset(
    settings=AcmeIssuer,
    variables=Variables(
        usual="ACME_SECRET", secrets=("ACME_SECRET",), issuer=_from_environment, urls=("ACME_URL",), prefix="ACME_"
    ),
    formats=lambda _loaded: (FORMATS["authjs-database"],),
    library="Acme",
    cookie_format=FORMATS["nextauth-v4-session"],
    session_keys=derived.nextauth_v4,
    announcement=lambda issuer, loaded: f"issuer {issuer.name} reads sessions of Acme in {loaded.config.region}",
    places=authjs.places,
    stores=("notes",),
    read_rows=database.read,
    row_format="authjs-database",
)
'''
STORE = '''
"""The store in a text file, which holds one session."""

from __future__ import annotations

import json
from pathlib import Path

from authgate.config._types import NonEmpty, Settings
from authgate.sessions import StoredRows
from authgate.stores.store import Store


class NotesSessionsConfig(Settings):
    """The store in a text file."""

    path: NonEmpty
    """The file."""


class Notes:
    max_connections = 1

    def __init__(self, path):
        self.where = path

    async def find(self, question):
        rows = json.loads(Path(self.where).read_text())
        return StoredRows(**rows) if rows["session"]["sessionToken"] == question.token else None

    async def close(self):
        pass


def _read(reading, notes):
    if not notes.path.endswith(".json"):
        reading.report("path", "is not JSON", "write a path that ends in .json")
    return reading.loaded(notes.path, where=notes.path)


STORE = Store(settings=NotesSessionsConfig, read=_read, make=lambda store, _cookie_name: Notes(store.address))
'''
PROVIDER = '''
"""Preset `umbrella`: a made-up identity provider."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from authgate.core.demands import has, lists
from authgate.presets.provider import Facts, ProviderIssuer, Texts, matching, provider


class UmbrellaIssuer(ProviderIssuer):
    """Tokens of Umbrella."""

    asks: ClassVar[tuple[str, ...]] = ("hive", "clients")

    preset: Literal["umbrella"]
    """umbrella: the issuer is Umbrella."""
    hive: Annotated[str, matching("[a-z]+", "the name of a hive", "copy it from Hives"), Field(examples=["rc"])]
    """The name of your hive."""
    clients: Annotated[Texts, Field(examples=["web"])]
    """The ids of your clients (claim who)."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        return Facts(
            issuer=f"https://{self.hive}.umbrella.example",
            audiences="any",
            identity={"subject": ["employee"], "roles": ["clearances"]},
            demands=(
                has("kind", accepted=("access",)),
                lists("clients", "who", accepted=self.clients, names_client=True),
            ),
        )


PRESET = provider(UmbrellaIssuer, "Umbrella")
'''
UMBRELLA = {"name": "work", "preset": "umbrella", "hive": "rc", "clients": "web"}
TOKEN = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
SECRET = "a made-up secret of Acme that is long enough 0123456789"


def _add_row(file: Path, row: str, new: str, module: str) -> None:
    """Add the row *new* after *row* to *file*, and the import of its *module*, which is beside *file*."""
    text = file.read_text()
    assert row in text
    package = ".".join(file.parent.parts[file.parent.parts.index("authgate") :])
    text = text.replace(row, row + new).replace(
        "\nfrom authgate.", f"\nfrom {package} import {module}\nfrom authgate.", 1
    )
    file.write_text(text)


# Runs `authgate` once for each line that it reads, and prints each result. To start Python takes a second.
RUNS = """
import json, os, sys
from click.testing import CliRunner
from authgate.cli import commands

for line in sys.stdin:
    arguments, environ = json.loads(line)
    os.environ.clear()
    os.environ.update(environ)
    ended = CliRunner().invoke(commands, arguments, prog_name="authgate")
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    print(json.dumps([ended.exit_code, ended.stdout, ended.stderr]), flush=True)
"""


class Copy:
    """A copy of AuthGate in *folder*, in a running Python."""

    def __init__(self, folder: Path, python: subprocess.Popen[str]) -> None:
        self.folder = folder
        self._python = python

    def authgate(
        self, *arguments: str, issuers: str = "", environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the copy's `authgate` with these issuers in a file, or with *environ* alone."""
        assert self._python.stdin
        assert self._python.stdout
        command = list(arguments)
        if issuers:
            (self.folder / "authgate.yaml").write_text(f"issuers: {issuers}")
            command += ["--config", "authgate.yaml"]
        self._python.stdin.write(json.dumps([command, {"ACME_KEY": SECRET, **(environ or {})}]) + "\n")
        self._python.stdin.flush()
        return subprocess.CompletedProcess(command, *json.loads(self._python.stdout.readline()))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy of AuthGate that has one file and one row more for each of the three."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "authgate"
    shutil.copytree(ROOT / "authgate", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "presets" / "acme.py").write_text(PRESET)
    (package / "stores" / "notes.py").write_text(STORE)
    _add_row(
        package / "presets" / "__init__.py", '    "authjs": authjs.PRESET,\n', '    "acme": acme.PRESET,\n', "acme"
    )
    _add_row(package / "stores" / "__init__.py", '    "redis": redis.STORE,\n', '    "notes": notes.STORE,\n', "notes")
    (package / "presets" / "providers" / "umbrella.py").write_text(PROVIDER)
    keycloak = '    "keycloak": keycloak.PRESET,\n'
    _add_row(
        package / "presets" / "providers" / "__init__.py", keycloak, '    "umbrella": umbrella.PRESET,\n', "umbrella"
    )
    session = {"sessionToken": TOKEN, "userId": "ada", "expires": "2999-01-01T00:00:00Z"}
    (folder / "notes.json").write_text(json.dumps({"session": session, "user": {"id": "ada", "name": "Ada"}}))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-c", RUNS], cwd=folder, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as python:
        yield Copy(folder, python)


def umbrella(folder: Path, **settings: object) -> str:
    """Return an issuer of the new provider, whose keys are the tests' own."""
    publish(folder)
    return json.dumps([{**UMBRELLA, "jwks_file": "jwks.json", **settings}])


def issuer(**settings: object) -> str:
    sessions = {"notes": {"path": "notes.json"}}
    acme = {
        "name": "shop",
        "preset": "acme",
        "secret_env": "ACME_KEY",
        "url": "https://a.example",
        "sessions": sessions,
    }
    return json.dumps([acme | settings])


def test_a_session_in_the_new_store_is_the_user_of_the_new_cookie(copy: Copy) -> None:
    for cookie, answer in ((f"__Secure-acme.sid={TOKEN}", "allow"), (f"__Secure-acme.sid={TOKEN[::-1]}", "deny")):
        request = {"method": "GET", "url": "https://a.example/", "headers": {"Cookie": cookie}}
        (copy.folder / "request.json").write_text(json.dumps(request))
        explained = copy.authgate("explain", "--json", "--request", "request.json", issuers=issuer())
        decision = json.loads(explained.stdout)
        assert decision["outcome"] == answer, explained.stderr
        assert decision["headers"].get("X-User-Id", "") == ("ada" if answer == "allow" else "")


def test_check_shows_the_new_preset_and_its_announcement(copy: Copy) -> None:
    checked = copy.authgate("check", issuers=issuer(region="south"))
    assert checked.returncode == 0, checked.stderr
    assert "issuer shop reads sessions of Acme in south" in checked.stdout
    assert "region: south" in checked.stdout


def test_the_variables_of_the_new_preset_make_an_issuer(copy: Copy) -> None:
    checked = copy.authgate("check", environ={"ACME_SECRET": SECRET, "ACME_URL": "https://a.example"})
    assert checked.returncode == 0, checked.stderr
    assert "issuer acme reads sessions of Acme in north" in checked.stdout
    assert "ACME_SECRET (with ACME_URL)" in copy.authgate("check").stderr


def test_mistakes_in_the_new_settings_come_in_the_one_report(copy: Copy) -> None:
    wrong = copy.authgate(
        "check", issuers=issuer(region="nroth", strategies=["jwt"], sessions={"notes": {"path": "x"}})
    )
    assert wrong.returncode == 78
    for text in (
        "has 3 problems",
        "issuers[0].region: 'nroth' is not an allowed value",
        "did you mean north?",
        "issuers[0].strategies: does not apply to preset acme",
        "issuers[0].sessions.notes.path: is not JSON",
    ):
        assert text in wrong.stderr
    unknown = copy.authgate("check", issuers=issuer(preset="akme"))
    assert "did you mean acme? The choices are better-auth, jwt, authjs, acme, nextauth-v4" in unknown.stderr
    foreign = copy.authgate("check", issuers=issuer(preset="authjs"))
    assert "issuers[0].sessions.notes: does not apply to preset authjs" in foreign.stderr


def test_the_schema_has_the_new_settings(copy: Copy) -> None:
    schema = json.loads(copy.authgate("check", "--schema").stdout)
    mapping = schema["properties"]["issuers"]["items"]["discriminator"]["mapping"]
    assert mapping["acme"] == "#/$defs/AcmeIssuer"
    assert set(schema["$defs"]["SessionsConfig"]["properties"]) >= {"check", "http", "postgres", "redis", "notes"}
    assert schema["$defs"]["AcmeIssuer"]["properties"]["region"]["enum"] == ["north", "south"]


def test_a_token_of_the_new_provider_is_the_user_that_its_claims_name(copy: Copy) -> None:
    claims = {"iss": "https://rc.umbrella.example", "employee": "jill", "clearances": ["stars"], "kind": "access"}
    for client, outcome in (("web", "allow"), ("nemesis", "deny")):
        token = mint({**claims, "who": client, "exp": 4_000_000_000}, algorithm="RS256")
        request = {"method": "GET", "url": "https://a.example/", "headers": {"Authorization": f"Bearer {token}"}}
        (copy.folder / "request.json").write_text(json.dumps(request))
        explained = copy.authgate("explain", "--json", "--request", "request.json", issuers=umbrella(copy.folder))
        decision = json.loads(explained.stdout)
        assert decision["outcome"] == outcome, explained.stdout
    assert decision["reason"] == "wrong_claim"


def test_check_says_what_the_new_provider_stands_for_and_reports_its_slips(copy: Copy) -> None:
    checked = copy.authgate("check", issuers=umbrella(copy.folder))
    assert checked.returncode == 0, checked.stderr
    assert (
        "issuer work: preset umbrella stands for issuer: https://rc.umbrella.example, audiences: any" in checked.stdout
    )
    assert 'A token must have kind "access"; who "web"; no cnf' in checked.stdout
    wrong = copy.authgate("check", issuers=umbrella(copy.folder, hive="R C", clients=None))
    assert "issuers[0].hive: 'R C' is not the name of a hive" in wrong.stderr
    assert "issuers[0].clients: " in wrong.stderr


def test_init_knows_the_new_provider(copy: Copy) -> None:
    assert "umbrella" in copy.authgate("init").stdout
    written = copy.authgate("init", "umbrella", "--hive", "rc", "--clients", "web", "--output", "-")
    assert written.returncode == 0, written.stderr
    assert yaml.safe_load(written.stdout)["issuers"] == [{**UMBRELLA, "name": "umbrella", "clients": ["web"]}]
    assert "--hive: is missing" in copy.authgate("init", "umbrella", "--output", "-").stderr
