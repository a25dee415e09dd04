"""The role in the active organization, from Better Auth's table of members in PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate import issuer_sessions, wiring
from authgate.config.load import load
from authgate.core.identity import FIELDS
from authgate.presets import PRESETS
from authgate.sessions.layouts import BETTER_AUTH, BETTER_AUTH_SNAKE_CASE
from authgate.sessions.postgres import PostgresStore
from authgate.stores import STORES
from tests.support.better_auth import better_auth
from tests.support.postgres import READER, Postgres
from tests.support.session_settings import DSN, REDIS, issuer, written
from tests.support.store_lookups import failure_once, find_once, question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from authgate.core.identity import Identity
    from authgate.presets.preset import LoadedIssuer

JOINED = replace(BETTER_AUTH, joins_member=True)
TODAYS_QUERY = (
    "SELECT substring(convert_to(to_jsonb(s)::text, 'UTF8') FROM 1 FOR 262145) AS session, "
    "substring(convert_to(to_jsonb(u)::text, 'UTF8') FROM 1 FOR 262145) AS person "
    'FROM "session" AS s JOIN "user" AS u ON u."id" = s."userId" WHERE s."token" = $1 LIMIT 2'
)


@pytest.fixture
def acme(database: Postgres) -> Iterator[Postgres]:
    """Ada signed in, as an owner and admin of the active organization acme and a member of another one."""
    database.add_user("ada")
    database.add_user("bob")
    database.add_session("ada-1", "ada", activeOrganizationId="acme")
    database.add_member("ada", "acme", "owner,admin")
    database.add_member("ada", "other", "member")
    database.add_member("bob", "acme", "member")
    database.grant('"member"')
    yield database
    database.execute(f'REVOKE SELECT ON "member" FROM {READER};')


def entry(folder: Path, fields: set[str], **changes: Any) -> LoadedIssuer:
    """Return the issuer of a configuration whose rules and headers name *fields*."""
    [loaded] = load(written(folder, issuer(**changes)), {}).issuers
    return issuer_sessions.with_member(loaded, fields)


async def identified(server: Postgres, folder: Path, fields: set[str], token: str = "ada-1") -> Identity:
    loaded = entry(folder, fields, sessions={"postgres": {"dsn": server.reader()}})
    assert loaded.store is not None
    store = STORES["postgres"].make(loaded.store, "")
    rows = await find_once(store, token)
    assert rows is not None
    return issuer_sessions.identity(loaded, rows, question(token))


def stated(identity: Identity) -> tuple[str | None, tuple[str, ...], bool]:
    """Return organization and role, and whether both are known."""
    known = identity.unknown.isdisjoint({"organization", "organization_role"})
    return identity.organization, identity.organization_role, known


@pytest.mark.parametrize("fields", [{"organization"}, {"organization_role"}], ids=str)
async def test_a_member_has_the_roles_of_the_active_organization(
    acme: Postgres, tmp_path: Path, fields: set[str]
) -> None:
    assert stated(await identified(acme, tmp_path, fields)) == ("acme", ("owner", "admin"), True)


async def test_after_the_membership_has_ended_the_active_organization_no_longer_counts(
    acme: Postgres, tmp_path: Path
) -> None:
    acme.execute("""DELETE FROM "member" WHERE "userId" = 'ada' AND "organizationId" = 'acme'""")
    assert stated(await identified(acme, tmp_path, {"organization"})) == (None, (), True)
    assert stated(await identified(acme, tmp_path, set())) == ("acme", (), False)


async def test_without_an_active_organization_there_is_neither_organization_nor_role(
    acme: Postgres, tmp_path: Path
) -> None:
    acme.add_session("ada-2", "ada")
    assert stated(await identified(acme, tmp_path, {"organization"}, "ada-2")) == (None, (), True)


async def test_the_store_overrules_a_column_of_the_session(acme: Postgres, tmp_path: Path) -> None:
    acme.execute('ALTER TABLE "session" ADD COLUMN "activeOrganizationRole" text DEFAULT $$root$$;')
    try:
        assert stated(await identified(acme, tmp_path, {"organization"})) == ("acme", ("owner", "admin"), True)
        assert stated(await identified(acme, tmp_path, set())) == ("acme", ("root",), True)
    finally:
        acme.execute('ALTER TABLE "session" DROP COLUMN "activeOrganizationRole";')


async def test_if_nothing_names_the_organization_the_query_and_the_grants_are_those_of_two_tables(
    acme: Postgres, tmp_path: Path
) -> None:
    assert BETTER_AUTH.query() == TODAYS_QUERY
    acme.execute(f'REVOKE SELECT ON "member" FROM {READER};')
    assert stated(await identified(acme, tmp_path, {"roles"})) == ("acme", (), False)


async def test_the_message_for_a_missing_right_names_the_table_of_members(acme: Postgres) -> None:
    acme.execute(f'REVOKE SELECT ON "member" FROM {READER};')
    message = await failure_once(PostgresStore(acme.reader(), layout=JOINED))
    assert 'GRANT SELECT ON "session", "user", "member" TO it' in message
    assert "a header names organization" in message


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"member_table": "members"}, 'relation "members" does not exist'),
        ({"active_organization_column": "active"}, "column s.active does not exist"),
    ],
)
async def test_a_database_without_organizations_is_a_failure_that_says_so(
    acme: Postgres, changes: dict[str, str], part: str
) -> None:
    message = await failure_once(PostgresStore(acme.reader(), layout=replace(JOINED, **changes)))
    assert part in message
    assert "see sessions.postgres." in message
    assert "organization plugin" in message


async def test_a_member_twice_is_a_failure_because_the_roles_may_differ(acme: Postgres) -> None:
    acme.add_member("ada", "acme", "member", id="again")
    message = await failure_once(PostgresStore(acme.reader(), layout=JOINED))
    assert "a UNIQUE constraint to token of session, and to (userId, organizationId) of member" in message
    assert await find_once(PostgresStore(acme.reader(), layout=BETTER_AUTH))


async def test_a_role_longer_than_the_bound_is_a_failure(acme: Postgres) -> None:
    acme.execute('UPDATE "member" SET "role" = repeat($1, 1000000)', "x")
    assert "of more than 262144 bytes" in await failure_once(PostgresStore(acme.reader(), layout=JOINED))


async def test_with_underscores_and_ids_of_type_uuid_in_another_schema(empty: tuple[Postgres, str]) -> None:
    server, name = empty
    one = "00000000-0000-4000-8000-00000000000"
    server.execute(
        f"""CREATE SCHEMA auth;
        CREATE TABLE auth.user (id uuid PRIMARY KEY);
        CREATE TABLE auth.session (token text, user_id uuid, expires_at timestamptz, active_organization_id text);
        CREATE TABLE auth.members (id uuid, user_id uuid, organization_id uuid, role text);
        INSERT INTO auth.user VALUES ('{one}1');
        INSERT INTO auth.session VALUES ('ada-1', '{one}1', '2030-01-01T00:00:00Z', '{one}a');
        INSERT INTO auth.members VALUES ('{one}b', '{one}1', '{one}a', 'owner'), ('{one}c', '{one}1', '{one}d', 'x');
        GRANT USAGE ON SCHEMA auth TO {READER}; GRANT SELECT ON ALL TABLES IN SCHEMA auth TO {READER};""",
        database=name,
    )
    layout = replace(BETTER_AUTH_SNAKE_CASE, schema="auth", member_table="members", joins_member=True)
    rows = await find_once(PostgresStore(server.reader(name), layout=layout))
    assert rows is not None
    assert (rows.session["activeOrganizationId"], rows.organization_role) == (f"{one}a", "owner")


@pytest.mark.timeout(400)  # the first one installs Better Auth
async def test_the_tables_of_the_real_better_auth_before_and_after_a_member_is_removed(
    empty: tuple[Postgres, str], tmp_path: Path
) -> None:
    server, name = empty
    with better_auth(tmp_path, postgres=server.dsn(database=name)) as auth:
        browser = auth.browser().sign_up("ada@example.com")
        answer = auth.ask("/organization/create", f"Cookie: {browser.cookies}", body={"name": "Acme", "slug": "acme"})
        assert answer.status == 200, answer
        token = auth.get_session(browser.cookies)["session"]["token"]
    server.grant('"session", "user", "member"', name)
    rows = await find_once(PostgresStore(server.reader(name), layout=JOINED), token)
    assert rows is not None
    assert (rows.session["activeOrganizationId"], rows.organization_role) == (answer.json["id"], "owner")
    server.execute('DELETE FROM "member"', database=name)
    rows = await find_once(PostgresStore(server.reader(name), layout=JOINED), token)
    assert rows is not None
    assert (rows.session["activeOrganizationId"], rows.organization_role) == (answer.json["id"], "")


# -- the configuration ------------------------------------------------------------------------------------------------

POSTGRES: dict[str, Any] = {"postgres": {"dsn": DSN}}


@pytest.mark.parametrize(
    ("changes", "fields", "joins"),
    [
        ({"sessions": POSTGRES}, {"organization"}, True),
        ({"sessions": POSTGRES}, {"organization_role"}, True),
        ({"sessions": POSTGRES}, {"roles", "claims.session.activeOrganizationId"}, False),
        ({"sessions": {"redis": {"url": REDIS}}}, {"organization"}, False),
        ({"preset": "authjs", "sessions": POSTGRES}, {"organization"}, False),
        ({"sessions": None}, {"organization"}, False),
        ({"sessions": {"check": "never"}}, {"organization"}, False),
    ],
)
def test_the_table_of_members_is_read_only_if_something_names_the_organization(
    tmp_path: Path, changes: dict[str, Any], fields: set[str], *, joins: bool
) -> None:
    loaded = entry(tmp_path, fields, **changes)
    assert (loaded.store is not None and loaded.store.joins_member) is joins
    before = issuer_sessions.session_settings(entry(tmp_path, set(), **changes))
    assert (issuer_sessions.session_settings(loaded) != before) is joins  # so that a reload makes a new store


RULE: dict[str, Any] = {"roles": {"any_of": ["admin"]}}


def policy(**changes: Any) -> dict[str, Any]:
    return {"policies": [{"name": "p", "require": RULE} | changes]}


@pytest.mark.parametrize(
    ("settings", "joins"),
    [
        ({}, False),
        ({"headers": {"X-Organization": "organization"}}, True),
        ({"headers": {"X-Organization": "claims.session.activeOrganizationId"}}, False),
        (policy(), False),
        (policy(require={"any": [RULE, {"not": {"organization_role": {"any_of": ["x"]}}}]}), True),
        (policy(require={"claims": {"organization": {"any_of": ["x"]}}}), False),
        (policy(headers={"X-Organization": "organization"}), True),
        (policy(match={"path": ["/o/{organization}/**"]}), True),
    ],
)
def test_rules_patterns_and_headers_of_a_configuration_make_the_store_read_the_table_of_members(
    tmp_path: Path, settings: dict[str, Any], *, joins: bool
) -> None:
    path = tmp_path / "authgate.yaml"
    path.write_text(json.dumps({"issuers": [issuer(sessions=POSTGRES)], **settings}))
    store, *_ = wiring.prepare(load(str(path), {})).session_settings["app"]
    assert store.joins_member is joins


def test_the_table_of_members_may_have_another_name(tmp_path: Path) -> None:
    changes = {"sessions": {"postgres": {"dsn": DSN, "member_table": "Member", "snake_case": True}}}
    loaded = entry(tmp_path, {"organization"}, **changes)
    assert loaded.store is not None
    assert loaded.store.address.layout is not None
    assert loaded.store.address.layout.member_table == "Member"
    assert 'LEFT JOIN "Member"' in replace(loaded.store.address.layout, joins_member=True).query()


NEVER_IN_A_SESSION = {"scopes", "acr", "amr", "issued_at", "token_id"}
NO_JWTS: dict[str, Any] = {"jwt_plugin": False}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, set()),  # its JWTs can state everything
        ({"sessions": POSTGRES}, set()),
        (NO_JWTS, NEVER_IN_A_SESSION),
        (NO_JWTS | {"sessions": {"redis": {"url": REDIS}}}, NEVER_IN_A_SESSION),
        (NO_JWTS | {"sessions": POSTGRES}, NEVER_IN_A_SESSION),
        (NO_JWTS | {"sessions": {"check": "never"}}, {*NEVER_IN_A_SESSION, "organization_role"}),
        ({"preset": "authjs"}, set()),
        ({"preset": "jwt", "url": None, "audiences": ["tasks"]}, set()),
    ],
)
def test_a_preset_says_which_fields_an_issuer_can_state(
    tmp_path: Path, changes: dict[str, Any], missing: set[str]
) -> None:
    loaded = entry(tmp_path, {"organization_role"}, **changes)
    assert set(FIELDS) - PRESETS[loaded.config.preset].states(loaded) == missing


def test_without_the_table_of_members_postgresql_states_no_role(tmp_path: Path) -> None:
    loaded = entry(tmp_path, set(), **NO_JWTS, sessions=POSTGRES)
    assert "organization_role" not in PRESETS[loaded.config.preset].states(loaded)
