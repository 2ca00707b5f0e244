"""``turnstile db``: migrate, validate and partitions, on a real database."""

import json

import psycopg
import pytest

from tests.integration.commands import Turnstile

pytestmark = pytest.mark.integration


def test_partitions_are_announced_then_made_and_then_none_is_due(turnstile: Turnstile):
    due = json.loads(turnstile("db", "partitions", "--dry-run", "--json")[1])
    assert {row["table"] for row in due} >= {"counting_results", "crossings", "audit_logs"}
    code, out, _ = turnstile("db", "partitions", "--json")
    assert code == 0
    assert json.loads(out) == [{**row, "state": "done", "moved": 0} for row in due]
    assert json.loads(turnstile("db", "partitions", "--dry-run", "--json")[1]) == []
    assert "every partition is there" in turnstile("db", "partitions")[1]


def test_a_database_is_validated_and_what_is_wrong_with_it_is_said(turnstile: Turnstile, dsn: str):
    assert turnstile("db", "validate", "--json")[:2] == (0, '{\n  "flaws": []\n}\n')
    assert turnstile("db", "validate")[1] == "the tables are what this program takes them for\n"
    with psycopg.connect(dsn) as connection:
        connection.execute("alter table outbox add column odd integer")
    code, out, _ = turnstile("db", "validate")
    assert code == 1
    assert out == "the tables are not what the models say: remove column outbox.odd\n"
    with psycopg.connect(dsn) as connection:
        connection.execute("alter table outbox drop column odd")


def test_what_a_migration_would_run_is_printed_and_not_run(turnstile: Turnstile, dsn: str):
    assert turnstile("db", "migrate", "--sql")[:2] == (0, "")
    with psycopg.connect(dsn) as connection:
        connection.execute("update alembic_version set version_num = '0008'")
    written = turnstile("db", "migrate", "--sql")[1]
    assert "create table analytics " in written
    assert "create table cameras " not in written
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select version_num from alembic_version").fetchone() == ("0008",)
