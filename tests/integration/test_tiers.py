"""Counts move from tier to tier: nothing is lost, doubled or changed on the way."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from actors import rollups
from actors.tiers.run import AlreadyRunning, run_due
from actors.tiers.steps import Step
from schema.database import open_engine, owner_transaction, transaction
from schema.events import Totals
from schema.settings import StorageSettings
from schema.storage import FsspecStore, open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers import archives, parquet
from schema.tiers.checksum import by_zone
from schema.tiers.kinds import COUNTS, KINDS
from tests.integration.tiers import (
    NOW_NS,
    TODAY,
    Aging,
    add_camera,
    add_tenant,
    at,
    count,
    cover,
    cross,
    days_ago,
    everything,
    rows_of,
    some_minutes,
)

pytestmark = pytest.mark.integration

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    with owner_transaction(engine) as session:
        session.execute(text("truncate cameras, crossings, archives cascade"))
        session.execute(text("update tenants set hot_days = 30, warm_days = 365, cold_days = 1825"))


@pytest.fixture
def files(tmp_path: Path) -> FsspecStore:
    return open_storage(StorageSettings(url=tmp_path.as_uri()))


@pytest.fixture
def camera(engine: Engine) -> Aging:
    return add_camera(engine, "front")


def done(engine: Engine, files: FsspecStore, now_ns: int = NOW_NS) -> list[tuple[str, str, str]]:
    """What a run did: action, what, period."""
    steps = run_due(engine, files, now_ns=now_ns)
    assert [step.error for step in steps if step.error] == []
    return [(step.action, step.what, step.period) for step in steps]


def ages(engine: Engine) -> list[str]:
    """The tiers that hold counts."""
    found = [archive.period.tier for archive in _current(engine, "counting_results")]
    names = ("counting_results", "packed_days")
    return [name for name in names if rows_of(engine, name)] + found


def _current(engine: Engine, kind=None) -> list[archives.Archive]:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return archives.current(session, kind)


# Ageing


def test_a_day_is_a_packed_row_a_line_after_the_hot_days(engine: Engine, files: FsspecStore, camera: Aging):
    count(engine, camera, some_minutes(days_ago(30)) | some_minutes(days_ago(31)))
    before = everything(engine, files)
    assert done(engine, files) == [
        ("pack", "counting_results", str(days_ago(31))),
        ("drop", f"counting_results_{days_ago(31):%Y_%m_%d}", ""),
    ]
    assert (rows_of(engine, "counting_results"), rows_of(engine, "packed_days")) == (4, 1)
    assert everything(engine, files) == before


def test_counts_are_the_same_in_every_tier(engine: Engine, files: FsspecStore, camera: Aging):
    minutes = some_minutes(days_ago(1), range(0, 1440, 7))
    count(engine, camera, minutes)
    seen = []
    for days in (0, 29, 31, 400, 2300):
        done(engine, files, NOW_NS + days * DAY_NS)
        assert everything(engine, files) == minutes
        seen.append(ages(engine))
    assert seen == [["counting_results"], ["counting_results"], ["packed_days"], ["cold"], ["historical"]]


def test_one_run_takes_old_counts_through_all_tiers(engine: Engine, files: FsspecStore, camera: Aging):
    minutes = some_minutes(days_ago(4000))
    count(engine, camera, minutes)
    done(engine, files)
    assert ages(engine) == ["historical"]
    assert everything(engine, files) == minutes


def test_what_is_done_is_not_done_again(engine: Engine, files: FsspecStore, camera: Aging):
    for days in (40, 500, 4000):
        count(engine, camera, some_minutes(days_ago(days)))
    done(engine, files)
    assert done(engine, files) == []


def test_crossings_events_and_coverage_go_to_files_of_their_own(engine: Engine, files: FsspecStore, camera: Aging):
    old, recent = at(days_ago(500), 5), at(days_ago(2), 5)
    ids = cross(engine, camera, [old, recent])
    cover(engine, camera, old, old + timedelta(hours=40))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(
            text(
                "insert into camera_events (timestamp, event_id, camera_id, event_type, data)"
                " values (:at, gen_random_uuid(), :camera, 'lost', '{\"a\": [1, \"ü, x\"]}')"
            ),
            {"at": old, "camera": camera.id},
        )
    done(engine, files)
    assert rows_of(engine, "crossings") == 1
    assert rows_of(engine, "camera_events") == rows_of(engine, "coverage") == 0
    found = {archive.kind: archive for archive in _current(engine)}
    tables = {
        kind.name: next(parquet.read(files, found[kind.name].path, kind, found[kind.name].contents.groups))
        for kind in KINDS
        if kind is not COUNTS
    }
    assert tables["crossings"]["event_id"].to_pylist()[0] in {str(each) for each in ids}
    assert tables["crossings"]["model"].to_pylist() == ['a "quoted", model']
    assert tables["crossings"]["undoes"].to_pylist() == [None]
    assert tables["camera_events"]["data"].to_pylist() == ['{"a": [1, "ü, x"]}']
    assert tables["coverage"]["to_at"].to_pylist() == [old + timedelta(hours=40)]
    assert found["coverage"].contents.to_at == old + timedelta(hours=40)


def test_crossings_of_a_file_that_was_counted_lately_stay(engine: Engine, files: FsspecStore, camera: Aging):
    cross(engine, camera, [at(days_ago(500), 5)], epoch="a file", is_file=True)
    done(engine, files)
    assert rows_of(engine, "crossings") == 1


def test_crossings_stay_until_the_broker_has_been_told_of_them(engine: Engine, files: FsspecStore, camera: Aging):
    old = at(days_ago(500), 5)
    ids = cross(engine, camera, [old])
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(
            text("insert into outbox_crossings (event_ids, first_at, last_at) values (:ids, :at, :at)"),
            {"ids": list(ids), "at": old},
        )
    done(engine, files)
    assert rows_of(engine, "crossings") == 1
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("delete from outbox_crossings"))
    done(engine, files)
    assert rows_of(engine, "crossings") == 0


def test_rows_of_the_future_wait(engine: Engine, files: FsspecStore, camera: Aging):
    minutes = some_minutes(days_ago(-400)) | some_minutes(days_ago(-1))
    count(engine, camera, minutes)
    assert done(engine, files) == []
    assert everything(engine, files) == minutes


def test_rows_without_a_partition_of_their_own_age_too(engine: Engine, files: FsspecStore, camera: Aging):
    minutes = some_minutes(TODAY.replace(year=1970))
    count(engine, camera, minutes)
    done(engine, files)
    assert ages(engine) == ["historical"]
    assert everything(engine, files) == minutes


def test_a_month_waits_until_its_days_are_rolled_up(engine: Engine, files: FsspecStore, camera: Aging):
    count(engine, camera, some_minutes(days_ago(500)))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(
            text(
                "insert into analytics (period, timestamp, camera_id, zone_id, count_in, revision)"
                " values ('day', :day, :camera, :zone, 10, 1)"
            ),
            {"day": at(days_ago(500), 0), "camera": camera.id, "zone": camera.line},
        )
    done(engine, files)
    assert ages(engine) == ["packed_days"]
    rollups.run_due(engine, now_ns=NOW_NS)
    done(engine, files)
    assert ages(engine) == ["cold"]


# Late


def test_late_counts_are_added_to_a_packed_day(engine: Engine, files: FsspecStore, camera: Aging):
    day = days_ago(40)
    count(engine, camera, some_minutes(day))
    done(engine, files)
    late = {at(day, 7): Totals(count_in=5, effective_in=4, dwell_s=1.5), at(day, 8): Totals(lost=1)}
    count(engine, camera, late)
    expected = everything(engine, files)
    assert expected[at(day, 7)] == some_minutes(day)[at(day, 7)] + late[at(day, 7)]
    assert ages(engine) == ["counting_results", "packed_days"]
    done(engine, files)
    assert ages(engine) == ["packed_days"]
    assert everything(engine, files) == expected


@pytest.mark.parametrize(("days", "tier"), [(500, "cold"), (4000, "historical")])
def test_late_counts_are_added_to_a_file(engine: Engine, files: FsspecStore, camera: Aging, days: int, tier: str):
    other = add_camera(engine, "back")
    count(engine, camera, some_minutes(days_ago(days)))
    count(engine, other, some_minutes(days_ago(days)))
    done(engine, files)
    before = _current(engine)
    late = {at(days_ago(days), 7): Totals(count_in=5), at(days_ago(days), 9): Totals(count_out=1)}
    count(engine, other, late)
    expected = everything(engine, files)
    done(engine, files)
    assert ages(engine) == [tier]
    assert everything(engine, files) == expected
    assert {archive.path for archive in before}.isdisjoint(archive.path for archive in _current(engine))


def test_a_file_that_was_replaced_is_kept_for_its_readers_and_then_removed(
    engine: Engine, files: FsspecStore, camera: Aging
):
    count(engine, camera, some_minutes(days_ago(500)))
    done(engine, files)
    (first,) = _current(engine)
    count(engine, camera, some_minutes(days_ago(500)))
    done(engine, files, NOW_NS)
    assert files.exists(first.path)
    assert done(engine, files, NOW_NS + 2 * HOUR_NS) == [("remove", first.path, "")]
    assert not files.exists(first.path)
    assert [info.path for info in files.list("archive")] == [archive.path for archive in _current(engine)]


def test_counts_that_come_while_a_month_is_archived_are_left_for_the_next_run(
    engine: Engine, files: FsspecStore, camera: Aging
):
    day = days_ago(500)
    count(engine, camera, some_minutes(day))

    def come_late(sentence: str) -> None:
        if sentence.startswith("wrote the archive"):
            count(engine, camera, {at(day, 7): Totals(count_in=1)})

    steps = run_due(engine, files, now_ns=NOW_NS, tell=come_late)
    assert [step.error for step in steps] == [None] * len(steps)
    assert ages(engine) == ["counting_results", "cold"]
    expected = everything(engine, files)
    assert expected[at(day, 7)] == some_minutes(day)[at(day, 7)] + Totals(count_in=1)
    done(engine, files)
    assert everything(engine, files) == expected


def test_a_packed_day_that_changes_while_its_month_is_archived_is_not_lost(
    engine: Engine, files: FsspecStore, camera: Aging
):
    count(engine, camera, some_minutes(days_ago(500)))

    def another_day(sentence: str) -> None:
        if sentence.startswith("wrote the archive"):
            with transaction(engine, DEFAULT_TENANT_ID) as session:
                session.execute(text("update packed_days set checksum = checksum - 1"))

    (packed, archived, *_) = run_due(engine, files, now_ns=NOW_NS, tell=another_day)
    assert packed.error is None
    assert (
        archived.error == f"counting_results of {days_ago(500):%Y-%m} changed while they were archived: the next "
        "run takes them"
    )
    assert ages(engine) == ["packed_days"]


# Tenants


def test_every_tenant_keeps_its_rows_as_long_as_it_says(engine: Engine, files: FsspecStore, camera: Aging):
    hasty = add_tenant(engine, "hasty", hot=1, warm=2, cold=1000)
    theirs = add_camera(engine, "front", hasty)
    for days in (5, 80):
        count(engine, camera, some_minutes(days_ago(days)))
        count(engine, theirs, some_minutes(days_ago(days)), hasty)
    before = everything(engine, files), everything(engine, files, hasty)
    done(engine, files)
    held = [rows_of(engine, name, tenant) for tenant in (1, hasty) for name in ("counting_results", "packed_days")]
    assert held == [4, 1, 0, 1]
    with transaction(engine, hasty) as session:
        (archive,) = archives.current(session)
    assert archive.path.startswith(f"archive/{hasty}/counting_results/year=2026/month=09/")
    assert (everything(engine, files), everything(engine, files, hasty)) == before


# Safety


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
    (archive,) = _current(engine)
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
