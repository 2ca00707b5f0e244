"""Counts move from tier to tier as they age, as long as their tenant says: nothing is lost or changed on the way."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from actors import rollups
from schema.database import transaction
from schema.storage import FsspecStore
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers import archives, parquet
from schema.tiers.kinds import COUNTS, KINDS
from tests.integration.tiers.aging import (
    NOW_NS,
    TODAY,
    Aging,
    add_camera,
    add_tenant,
    ages,
    at,
    count,
    cover,
    cross,
    current_archives,
    days_ago,
    done,
    everything,
    rows_of,
    some_minutes,
)

pytestmark = pytest.mark.integration

DAY_NS = 24 * 3600 * 10**9


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
    found = {archive.kind: archive for archive in current_archives(engine)}
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
