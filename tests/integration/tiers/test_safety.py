"""What a run of the tiers refuses, reports and leaves alone."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from actors.tiers.run import AlreadyRunning, run_due
from actors.tiers.steps import Step
from schema.database import transaction
from schema.storage import FsspecStore
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers.checksum import by_zone
from tests.integration.tiers.aging import (
    NOW_NS,
    Aging,
    ages,
    at,
    count,
    cross,
    current_archives,
    days_ago,
    done,
    everything,
    rows_of,
    some_minutes,
)

pytestmark = pytest.mark.integration


def test_a_dry_run_says_what_is_due_and_changes_nothing(engine: Engine, files: FsspecStore, camera: Aging):
    count(engine, camera, some_minutes(days_ago(40)) | some_minutes(days_ago(500)))
    cross(engine, camera, [at(days_ago(100), 5)])
    before = everything(engine, files)
    for _ in range(2):
        assert run_due(engine, files, now_ns=NOW_NS, dry_run=True) == [
            Step(action="pack", tenant_id=1, what="counting_results", period=str(days_ago(500)), rows=4),
            Step(action="pack", tenant_id=1, what="counting_results", period=str(days_ago(40)), rows=4),
            Step(action="archive", tenant_id=1, what="crossings", period=f"{days_ago(100):%Y-%m}", rows=1),
        ]
    assert everything(engine, files) == before
    assert rows_of(engine, "counting_results") == 8
    assert rows_of(engine, "archives") == 0
    assert not list(files.list("archive"))


def test_only_one_run_at_a_time(engine: Engine, files: FsspecStore, camera: Aging):
    count(engine, camera, some_minutes(days_ago(40)))
    refused = []

    def once_more(_: str) -> None:
        with pytest.raises(AlreadyRunning, match="another run"):
            run_due(engine, files, now_ns=NOW_NS)
        refused.append(1)

    run_due(engine, files, now_ns=NOW_NS, tell=once_more)
    assert refused
    assert done(engine, files) == []


def test_a_damaged_file_stops_only_its_own_step_and_nothing_is_lost(
    engine: Engine, files: FsspecStore, camera: Aging, tmp_path: Path
):
    count(engine, camera, some_minutes(days_ago(500)))
    done(engine, files)
    (archive,) = current_archives(engine)
    whole = (tmp_path / archive.path).read_bytes()
    (tmp_path / archive.path).write_bytes(whole[: len(whole) // 2])
    count(engine, camera, some_minutes(days_ago(500)) | some_minutes(days_ago(700)))
    steps = run_due(engine, files, now_ns=NOW_NS)
    failed = [step for step in steps if step.error]
    assert [(step.action, step.period) for step in failed] == [("archive", f"{days_ago(500):%Y-%m}")]
    assert f"archive file '{archive.path}' is damaged" in str(failed[0].error)
    assert rows_of(engine, "packed_days") == 1
    (tmp_path / archive.path).write_bytes(whole)
    expected = everything(engine, files)
    done(engine, files)
    assert everything(engine, files) == expected


def test_packing_that_reads_back_wrong_changes_nothing(
    engine: Engine, files: FsspecStore, camera: Aging, monkeypatch: pytest.MonkeyPatch
):
    count(engine, camera, some_minutes(days_ago(40)))
    monkeypatch.setattr("actors.tiers.pack.by_zone", lambda kind, table: by_zone(kind, table.slice(1)))
    (step,) = run_due(engine, files, now_ns=NOW_NS)
    assert step.error == f"the packed minutes of {days_ago(40)} do not read back as they were: nothing was changed"
    assert ages(engine) == ["counting_results"]


def test_a_partition_with_rows_is_not_dropped_by_anybody(engine: Engine, files: FsspecStore, camera: Aging):
    count(engine, camera, some_minutes(days_ago(5)))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        drop = "select drop_passed_partition(:parent, :partition)"
        name = f"counting_results_{days_ago(5):%Y_%m_%d}"
        asked = [
            ("counting_results", name),
            ("counting_results", "counting_results_default"),
            ("counting_results", f"{name}_0"),
            ("counting_results", "zones"),
        ]
        answers = [session.scalar(text(drop), {"parent": parent, "partition": part}) for parent, part in asked]
    assert answers == ["holds rows", "not passed", "gone", "gone"]
    with pytest.raises(Exception, match="zones does not age"), transaction(engine, DEFAULT_TENANT_ID) as session:
        session.scalar(text(drop), {"parent": "zones", "partition": "zones"})
    assert rows_of(engine, "counting_results") == 4
