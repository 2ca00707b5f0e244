"""Counts over time are the same, asked for in any way, in whichever tiers their minutes lie."""

import csv
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from actors.tiers.run import run_due
from cluster.cli import run
from schema.database import transaction
from schema.errors import Permanent
from schema.events import Totals
from schema.queries import counts
from schema.queries.counts import CountBucket
from schema.storage import FsspecStore
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers import archives
from schema.tiers.history import ArchivedCounts
from schema.times import to_ns
from tests.integration.tiers.aging import NOW_NS, Aging, add_camera, at, count, cover, days_ago, some_minutes

pytestmark = pytest.mark.integration


def ask(engine: Engine, files: FsspecStore, *, days: int, resolution="minute", last: int = 0, **asked):
    """Counts from so many days ago until ``last`` days ago."""
    with transaction(engine, DEFAULT_TENANT_ID, one_snapshot=True) as session:
        return counts.buckets(
            session,
            from_ns=to_ns(at(days_ago(days), 0)),
            to_ns=to_ns(at(days_ago(last), 0)),
            resolution=resolution,
            archived=ArchivedCounts(files=files),
            **asked,
        )


def age(engine: Engine, files: FsspecStore) -> None:
    assert [step.error for step in run_due(engine, files, now_ns=NOW_NS) if step.error] == []


def total(found: list[CountBucket]) -> Totals:
    return sum((bucket.totals for bucket in found), Totals())


def test_minutes_are_the_same_before_and_after_they_moved(engine: Engine, files: FsspecStore, camera: Aging):
    other = add_camera(engine, "back")
    for days in (2, 35, 405, 440, 3000):
        count(engine, camera, some_minutes(days_ago(days)))
        count(engine, other, some_minutes(days_ago(days), (1, 2, 3)))
        cover(engine, camera, at(days_ago(days), 3), at(days_ago(days), 10))
    asked = [
        {"days": 2, "last": 0},
        {"days": 40, "last": 0},
        {"days": 441, "last": 404},
        {"days": 3001, "last": 2990, "camera_ids": [camera.id]},
        {"days": 405, "last": 404, "rules": ["door"], "fill": True},
        {"days": 445, "last": 30, "resolution": "15min"},
    ]
    before = [ask(engine, files, **one) for one in asked]
    assert {bucket.covered_s for found in before for bucket in found} >= {0.0, 60.0, 420.0}
    age(engine, files)
    assert [ask(engine, files, **one) for one in asked] == before
    assert all(before)


def test_versions_of_a_line_and_minutes_of_two_tiers_are_one(engine: Engine, files: FsspecStore, camera: Aging):
    count(engine, camera, some_minutes(days_ago(500)))
    age(engine, files)
    late = {at(days_ago(500), 7): Totals(count_in=5)}
    count(engine, camera, late)
    found = ask(engine, files, days=500, last=499)
    assert [bucket.from_ns for bucket in found] == [to_ns(moment) for moment in some_minutes(days_ago(500))]
    assert total(found).count_in == sum(t.count_in for t in some_minutes(days_ago(500)).values()) + 5


def test_an_interval_watched_from_one_month_into_the_next_counts_in_both(
    engine: Engine, files: FsspecStore, camera: Aging
):
    first = at(days_ago(500).replace(day=1), 0)
    cover(engine, camera, first - timedelta(hours=5), first + timedelta(hours=5))
    cover(engine, camera, first + timedelta(hours=4), first + timedelta(hours=6), epoch="another run")
    count(engine, camera, {first + timedelta(hours=hour): Totals(count_in=1) for hour in (-1, 4, 6)})
    age(engine, files)
    with transaction(engine, DEFAULT_TENANT_ID, one_snapshot=True) as session:
        found = counts.buckets(
            session,
            from_ns=to_ns(first - timedelta(hours=2)),
            to_ns=to_ns(first + timedelta(hours=8)),
            resolution="15min",
            archived=ArchivedCounts(files=files),
        )
    assert [bucket.covered_s for bucket in found] == [900.0, 900.0, 0.0]


def test_hours_of_an_archived_day_that_changed_late_are_right(engine: Engine, files: FsspecStore, camera: Aging):
    day = at(days_ago(500), 0)
    count(engine, camera, some_minutes(days_ago(500)))
    age(engine, files)
    count(engine, camera, {day + timedelta(hours=5): Totals(count_in=1)})
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(
            text(
                "insert into analytics (period, timestamp, camera_id, zone_id, count_in, revision)"
                " values ('day', :day, :camera, :zone, 10, 1)"
            ),
            {"day": day, "camera": camera.id, "zone": camera.line},
        )
    age(engine, files)
    found = ask(engine, files, days=501, last=499, resolution="hour")
    assert [bucket.from_ns for bucket in found] == [to_ns(day + timedelta(hours=hour)) for hour in (0, 5, 10, 23)]
    assert total(found) == total(ask(engine, files, days=501, last=499))


def test_a_file_that_is_gone_is_named_with_its_month(engine: Engine, files: FsspecStore, camera: Aging, tmp_path: Path):
    count(engine, camera, some_minutes(days_ago(500)) | some_minutes(days_ago(2)))
    age(engine, files)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        (archive,) = archives.current(session)
    files.delete(archive.path)
    month = f"{days_ago(500):%Y-%m}"
    with pytest.raises(Permanent, match=rf"counting_results of {month} cannot be read: archive file '.*' is gone"):
        ask(engine, files, days=501, last=499)
    assert total(ask(engine, files, days=3)).count_in > 0


def test_the_command_shows_counts_of_all_tiers(
    engine: Engine, camera: Aging, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("TURNSTILE_HOME", str(home))
    monkeypatch.setenv("TURNSTILE_POSTGRES_DSN", dsn)
    monkeypatch.chdir(tmp_path)
    count(engine, camera, some_minutes(days_ago(2)) | some_minutes(days_ago(500)) | some_minutes(days_ago(5000)))

    def say(*arguments: str) -> str:
        capsys.readouterr()
        assert run(arguments) == 0
        return capsys.readouterr().out

    planned = json.loads(say("tiers", "run", "--dry-run", "--json"))
    assert [(step["action"], step["rows"]) for step in planned[:2]] == [("pack", 4), ("pack", 4)]
    ran = json.loads(say("tiers", "run", "--json"))
    assert {step["action"] for step in ran} >= {"pack", "archive", "merge"}
    held = {holding["tier"]: holding["rows"] for holding in json.loads(say("tiers", "status", "--json"))}
    assert held == {"hot": 4, "cold": 4, "historical": 4}
    assert "historical" in say("tiers", "status")

    span = ("--from", f"{days_ago(500)}", "--to", f"{days_ago(499)}", "--resolution", "minute", "--camera", "front")
    rows = json.loads(say("history", *span, "--json"))
    assert [row["count_in"] for row in rows] == [t.count_in for t in some_minutes(days_ago(500)).values()]
    lines = list(csv.DictReader(StringIO(say("history", *span, "--csv"))))
    assert [{name: str(value) for name, value in row.items()} for row in rows] == lines
    assert "front" in say("history", *span)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "yesterday", "--to", "2026-01-01"), "--from 'yesterday' is not a time: write it like"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "ends before it begins"),
        (("--from", "2026-01-01", "--to", "2026-01-02", "--resolution", "eon"), "resolution 'eon' is not known"),
        (("--from", "2026-01-01", "--to", "2026-01-02", "--camera", "none"), "there is no camera 'none'"),
        (("--from", "2026-01-01", "--to", "2026-01-02", "--csv", "--json"), "--csv and --json are two answers"),
    ],
)
def test_bad_input_is_one_line(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, arguments: tuple[str, ...], says: str
):
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    monkeypatch.setenv("TURNSTILE_POSTGRES_DSN", dsn)
    monkeypatch.chdir(tmp_path)
    assert run(["history", *arguments]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
