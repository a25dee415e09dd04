"""PostgreSQL and the task service, one for each test process."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support.certificates import Authority
from tests.support.postgres import Postgres, postgres
from tests.support.task_service import (
    TaskService,
    alembic,
    create_database,
    finish,
    task_service,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def server(authority: Authority) -> Iterator[Postgres]:
    with postgres(tls=authority.issue("localhost")) as running:
        yield running


@pytest.fixture(scope="session")
def dsn(server: Postgres) -> str:
    made = create_database(server, "app")
    finish(alembic(made, "upgrade", "head"))
    return made


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory, dsn: str) -> Iterator[TaskService]:
    with task_service(tmp_path_factory.mktemp("tasks"), dsn) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def ada() -> str:
    """A user of this test alone."""
    return f"ada-{uuid4().hex}"
