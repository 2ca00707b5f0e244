from pathlib import Path

import pytest

from schema.database import migration_sql
from tests.lint_migrations import lint, write_migrations


def test_the_sql_of_every_migration_keeps_the_rules(tmp_path: Path):
    files = write_migrations(tmp_path)
    assert len(files) > 8
    assert lint(files) == (0, "")


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("create index ix on crossings (track_id);", "require-concurrent-index-creation"),
        ("alter table crossings add constraint c check (frame > 0);", "constraint-missing-not-valid"),
        ("alter table cameras rename column name to title;", "renaming-column"),
        ("alter table cameras add column made_at timestamptz not null default clock_timestamp();", "adding-field"),
    ],
)
def test_what_would_stop_the_previous_release_or_ingest_is_found(tmp_path: Path, statement: str, rule: str):
    file = tmp_path / "0010.sql"
    file.write_text(f"set lock_timeout = '5s'; set statement_timeout = '5s'; {statement}")
    code, findings = lint([file])
    assert code
    assert rule in findings


def test_the_sql_is_one_transaction_that_waits_for_locks_for_a_moment():
    written = migration_sql(None, "head")
    assert written.startswith("BEGIN;")
    assert written.rstrip().endswith("COMMIT;")
    assert "set local lock_timeout = '5s'" in written
    assert "%I" in written
    assert "%%" not in written
