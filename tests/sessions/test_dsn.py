"""DSNs of PostgreSQL as people write them, and the messages for those that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.sessions.dsn import dsn_fault, parse_dsn

PASSWORD = "canary%21"  # percent-encoded, as a password may be
AT = f"postgresql://app:{PASSWORD}@db.example"
NEON = (
    "postgresql://neondb_owner:npg_x@ep-a-1-pooler.eu-central-1.aws.neon.tech/neondb"
    "?sslmode=require&channel_binding=require"
)

VALID: list[tuple[str, dict[str, Any]]] = [
    (AT, {"host": "db.example", "port": 5432, "user": "app", "database": "app", "password": "canary!"}),
    (f"{AT}:6543/my%20db", {"port": 6543, "database": "my db"}),
    ("postgres://app@db/x", {"password": "", "database": "x"}),
    ("postgresql+asyncpg://app@db/x", {"host": "db"}),
    ("postgresql+psycopg2://app@db/x", {"host": "db"}),
    ("postgresql://app:a%3Ab%40c%2Fd@db/x", {"password": "a:b@c/d"}),
    ("postgresql://app:a@b@db/x", {"password": "a@b", "host": "db"}),
    ("postgresql://app@[::1]:5433/x", {"host": "::1", "port": 5433}),
    ("postgresql://app@/x?host=/var/run/postgresql", {"host": "/var/run/postgresql", "database": "x"}),
    ("postgresql://app@%2Ftmp%2FPG:5433/x", {"host": "/tmp/PG", "port": 5433}),
    ("postgresql:///?host=db&user=app&password=p&dbname=x&port=6000", {"user": "app", "password": "p", "port": 6000}),
    (
        f"{AT}/x?pgbouncer=true&connection_limit=1&pool_timeout=20&connect_timeout=15&schema=auth",
        {"schema": "auth", "tls": "prefer"},
    ),
    (f"{AT}/x?application_name=web&keepalives=1&target_session_attrs=any", {"database": "x"}),
    # TLS with libpq's meaning
    (AT, {"tls": "prefer", "ca_file": None}),
    (f"{AT}/x?sslmode=disable", {"tls": "disable"}),
    (f"{AT}/x?sslmode=allow", {"tls": "prefer"}),
    (f"{AT}/x?sslmode=require", {"tls": "require"}),
    (f"{AT}/x?sslmode=require&sslrootcert=/ca.pem", {"tls": "verify-ca", "ca_file": "/ca.pem"}),
    (f"{AT}/x?sslmode=verify-ca&sslrootcert=/ca.pem", {"tls": "verify-ca", "ca_file": "/ca.pem"}),
    (f"{AT}/x?sslmode=verify-full", {"tls": "verify-full", "ca_file": None}),
    (f"{AT}/x?sslrootcert=system", {"tls": "verify-full", "ca_file": None}),
    (f"{AT}/x?sslrootcert=/ca.pem", {"tls": "verify-full", "ca_file": "/ca.pem"}),
    # TLS with the meaning of other clients
    (f"{AT}/x?sslmode=no-verify", {"tls": "require"}),
    (f"{AT}/x?ssl=true", {"tls": "require"}),
    (f"{AT}/x?ssl=require", {"tls": "require"}),
    (f"{AT}/x?ssl=false", {"tls": "disable"}),
    (f"{AT}/x?sslmode=require&sslaccept=strict", {"tls": "verify-full"}),
    (f"{AT}/x?sslmode=require&sslaccept=accept_invalid_certs", {"tls": "require"}),
    # the driver cannot bind a channel: the certificate is verified instead
    (NEON, {"tls": "verify-full", "ca_file": None, "database": "neondb", "user": "neondb_owner"}),
    (f"{AT}/x?channel_binding=prefer", {"tls": "prefer"}),
]


@pytest.mark.parametrize(("dsn", "expected"), VALID)
def test_a_dsn_is_parsed_as_its_author_means_it(dsn: str, expected: dict[str, Any]) -> None:
    address = parse_dsn(dsn)
    assert {name: getattr(address, name) for name in expected} == expected
    assert dsn_fault(dsn) is None


@pytest.mark.parametrize(
    ("query", "tls"),
    [("", "verify-full"), ("?sslmode=require", "verify-ca"), ("?sslmode=verify-full", "verify-full")],
)
def test_with_a_ca_file_the_certificate_is_verified(query: str, tls: str) -> None:
    address = parse_dsn(f"{AT}/x{query}", "/ca.pem")
    assert (address.tls, address.ca_file) == (tls, "/ca.pem")


FAULTS = [
    ("", "is not a URL like postgresql://"),
    ("host=db user=app", "white space"),
    ("host=db", "is not a URL"),
    ("mysql://app@db/x", "is not a URL like postgresql://"),
    ("jdbc:postgresql://db/x", "is not a URL like postgresql://"),
    ("prisma+postgres://accelerate.example/?api_key=canary", "Prisma Accelerate"),
    ("postgresql:app@db/x", "is not a URL"),
    ("postgresql://db/x", "has no user"),
    ("postgresql://app@/x", "has no host"),
    ("postgresql://app@a,b/x", "several hosts"),
    ("postgresql://app@a:1,b:2/x", "several hosts"),
    ("postgresql://app@db:0/x", "a port that is not a number from 1 to 65535"),
    ("postgresql://app@db:99999/x", "a port that is not a number from 1 to 65535"),
    ("postgresql://app@[::1/x", "is not a URL"),
    ("postgresql://app:ca%00nary@db/x", "NUL"),
    ("postgresql://app:can#ary@db/x", "# as %23"),
    ("postgresql://app:can/ary@db/x", "/ as %2F"),
    ("postgresql://app:can?ary@db/x", "? as %3F"),
    ("postgresql://app:p@12/canary@db/x", "/ as %2F"),
    ("postgresql://app:p@1?canary@db/x", "a parameter with an invalid name"),
    (f"{AT}/x?sslmode=sometimes", "write disable, prefer"),
    (f"{AT}/x?sslmode=disable&channel_binding=require", "sslmode=disable, although"),
    (f"{AT}/x?sslmode=disable&sslrootcert=/ca.pem", "sslmode=disable, although"),
    (f"{AT}/x?sslmode=require&sslmode=disable", "a parameter twice"),
    (f"{AT}/x?sslcert=/me.pem", "sslcert, which AuthGate does not support: client certificates"),
    (f"{AT}/x?options=-c%20search_path%3Dauth", "set db_schema"),
    (f"{AT}/x?target_session_attrs=read-write", "target_session_attrs"),
    (f"{AT}/x?statement_timeout=5", "statement_timeout, which AuthGate does not support: remove it"),
    (f"{AT}/{'x' * 5000}", "longer than"),
]


@pytest.mark.parametrize(("dsn", "part"), FAULTS)
def test_the_message_for_an_invalid_dsn_does_not_quote_the_password(dsn: str, part: str) -> None:
    fault = dsn_fault(dsn)
    assert fault is not None
    assert part in fault
    assert "canary" not in fault
    assert "ary" not in fault.replace("library", "")


def test_ca_file_and_sslrootcert_exclude_each_other() -> None:
    assert "sslrootcert, and ca_file is set, too" in (dsn_fault(f"{AT}/x?sslrootcert=/a.pem", "/b.pem") or "")
    assert "sslmode=disable" in (dsn_fault(f"{AT}/x?sslmode=disable", "/b.pem") or "")


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        (f"{AT}/x?password=canary", "postgresql://db.example:5432/x"),
        ("postgresql://app:canary@[::1]/x", "postgresql://[::1]:5432/x"),
        ("postgresql://app:canary@/x?host=/run/pg", "postgresql:///run/pg:5432/x"),
    ],
)
def test_the_address_for_messages_has_no_user_and_no_password(dsn: str, where: str) -> None:
    address = parse_dsn(dsn)
    assert address.where == where
    assert "canary" not in repr(address)


@pytest.mark.parametrize(
    ("dsn", "warned"),
    [
        (AT, True),
        ("postgresql://app@10.0.0.5/x", True),
        (f"{AT}/x?sslmode=disable", True),
        (f"{AT}/x?sslmode=require", False),
        (NEON, False),
        ("postgresql://app@localhost/x", False),
        ("postgresql://app@127.0.0.1/x", False),
        ("postgresql://app@[::1]/x", False),
        ("postgresql://app@/x?host=/run/pg", False),
    ],
)
def test_a_connection_in_clear_text_to_another_machine_has_a_warning(dsn: str, *, warned: bool) -> None:
    assert bool(parse_dsn(dsn).warning) is warned


@given(st.text(), st.text(alphabet="@:/?#%&=,[] abc123\\\0"))
def test_any_text_is_parsed_or_rejected_and_no_message_quotes_a_password(anything: str, mess: str) -> None:
    dsn_fault(anything)
    fault = dsn_fault(f"postgresql://app:canary{mess}canary@db/x?sslmode=require")
    assert "canary" not in (fault or "")
