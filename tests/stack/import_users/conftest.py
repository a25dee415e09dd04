"""PostgreSQL for the imports, one for each test process, and an empty database of Better Auth for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.old_users import TEXT_IDS, UUID_IDS, Database, database, make_template
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres() as running:
        make_template(running, tmp_path_factory.mktemp("better_auth"), TEXT_IDS)
        yield running


@pytest.fixture(scope="session")
def server_with_uuids(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    make_template(server, tmp_path_factory.mktemp("better_auth"), UUID_IDS)
    return server


@pytest.fixture
def db(server: Postgres) -> Iterator[Database]:
    with database(server) as empty:
        yield empty


@pytest.fixture
def uuid_db(server_with_uuids: Postgres) -> Iterator[Database]:
    """Like `db`, with uuid as the type of Better Auth's ids."""
    with database(server_with_uuids, UUID_IDS) as empty:
        yield empty
