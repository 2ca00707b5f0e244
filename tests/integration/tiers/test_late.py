"""Counts that come late are added to where the others are by then."""

import pytest
from sqlalchemy import Engine, text

from actors.tiers.run import run_due
from schema.database import transaction
from schema.events import Totals
from schema.storage import FsspecStore
from schema.tenants import DEFAULT_TENANT_ID
from tests.integration.tiers.aging import (
    NOW_NS,
    Aging,
    add_camera,
    ages,
    at,
    count,
    current_archives,
    days_ago,
    done,
    everything,
    some_minutes,
)

pytestmark = pytest.mark.integration

HOUR_NS = 3600 * 10**9


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
    before = current_archives(engine)
    late = {at(days_ago(days), 7): Totals(count_in=5), at(days_ago(days), 9): Totals(count_out=1)}
    count(engine, other, late)
    expected = everything(engine, files)
    done(engine, files)
    assert ages(engine) == [tier]
    assert everything(engine, files) == expected
    assert {archive.path for archive in before}.isdisjoint(archive.path for archive in current_archives(engine))


def test_a_file_that_was_replaced_is_kept_for_its_readers_and_then_removed(
    engine: Engine, files: FsspecStore, camera: Aging
):
    count(engine, camera, some_minutes(days_ago(500)))
    done(engine, files)
    (first,) = current_archives(engine)
    count(engine, camera, some_minutes(days_ago(500)))
    done(engine, files, NOW_NS)
    assert files.exists(first.path)
    assert done(engine, files, NOW_NS + 2 * HOUR_NS) == [("remove", first.path, "")]
    assert not files.exists(first.path)
    assert [info.path for info in files.list("archive")] == [archive.path for archive in current_archives(engine)]


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
