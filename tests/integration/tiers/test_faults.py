"""A run of the tiers that is killed anywhere, or that finds its disk full or its bucket gone, loses nothing."""

import re
import signal
from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from actors.tiers.run import run_due
from schema.database import owner_transaction, transaction
from schema.errors import Permanent
from schema.queries import counts
from schema.settings import StorageSettings
from schema.storage import FsspecStore, open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers import archives
from schema.tiers.history import ArchivedCounts
from schema.times import to_ns
from tests.contracts.test_files import bucket_settings
from tests.integration.tiers.aging import (
    NOW_NS,
    Aging,
    at,
    count,
    days_ago,
    everything,
    rows_of,
    some_minutes,
)
from tests.integration.tiers.apart import run_apart
from tests.s3_server import S3Server

pytestmark = pytest.mark.integration

HOUR_NS = 3600 * 10**9


def test_killed_at_any_piece_of_work_it_goes_on_where_it_was(engine: Engine, camera: Aging, dsn: str, tmp_path: Path):
    def fill(folder: str) -> FsspecStore:
        with owner_transaction(engine) as session:
            session.execute(text("truncate counting_results, packed_days, archives cascade"))
        count(engine, camera, minutes)
        return open_storage(StorageSettings(url=(tmp_path / folder).as_uri()))

    minutes = some_minutes(days_ago(4000))  # they go from rows to a packed day, to a month's file, to a year's file
    told: list[str] = []
    run_due(engine, fill("rehearsal"), now_ns=NOW_NS, tell=told.append)
    assert len(told) == 12
    for piece, sentence in enumerate(told, start=1):
        files = fill(f"killed-{piece}")
        with pytest.raises(ProcessLookupError, match=f"died with -{signal.SIGKILL}"):
            run_apart(dsn, (tmp_path / f"killed-{piece}").as_uri(), NOW_NS, dies_at=piece)
        assert everything(engine, files) == minutes, sentence
        for hours in (1, 3):
            steps = run_due(engine, files, now_ns=NOW_NS + hours * HOUR_NS)
            assert [step.error for step in steps if step.error] == []
        assert everything(engine, files) == minutes, sentence
        assert rows_of(engine, "counting_results") == rows_of(engine, "packed_days") == 0
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            (kept,) = archives.current(session)
        assert [info.path for folder in ("archive", "historical") for info in files.list(folder)] == [kept.path]


def test_a_full_disk_is_said_and_nothing_leaves_the_database(
    engine: Engine, files: FsspecStore, camera: Aging, dsn: str, tmp_path: Path
):
    minutes = some_minutes(days_ago(500))
    count(engine, camera, minutes)
    errors = run_apart(dsn, tmp_path.as_uri(), NOW_NS, most_bytes=1000)
    assert [error for error in errors if error] == [f"an archive cannot be written in {gettempdir()}: File too large"]
    assert rows_of(engine, "packed_days") == 1
    assert everything(engine, files) == minutes
    run_due(engine, files, now_ns=NOW_NS)
    assert rows_of(engine, "packed_days") == 0
    assert everything(engine, files) == minutes


def test_a_bucket_that_vanished_is_named_and_nothing_leaves_the_database(engine: Engine, camera: Aging, s3: S3Server):
    s3.make_bucket(bucket := f"tiers-{uuid4().hex[:8]}")
    files = open_storage(bucket_settings(s3, bucket))
    archived, late = some_minutes(days_ago(500)), some_minutes(days_ago(600))
    count(engine, camera, archived)
    assert [step.error for step in run_due(engine, files, now_ns=NOW_NS) if step.error] == []
    assert everything(engine, files) == archived
    s3.drop_bucket(bucket)
    count(engine, camera, late)
    (error,) = [step.error for step in run_due(engine, files, now_ns=NOW_NS) if step.error]
    gone = rf"bucket '{bucket}' at 127.0.0.1:\d+ is not there: make it, or correct storage.url"
    assert re.fullmatch(gone, str(error))
    assert rows_of(engine, "packed_days") == 1
    with (
        transaction(engine, DEFAULT_TENANT_ID, one_snapshot=True) as session,
        pytest.raises(Permanent, match=rf"counting_results of {days_ago(500):%Y-%m} cannot be read: {gone}"),
    ):
        counts.buckets(
            session,
            from_ns=to_ns(at(days_ago(500), 0)),
            to_ns=to_ns(at(days_ago(499), 0)),
            resolution="minute",
            archived=ArchivedCounts(files=files),
        )
