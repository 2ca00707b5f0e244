"""Old pictures and lost files go, and nothing else does."""

import json
import os
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from cluster.cli import run
from schema.database import open_engine, owner_transaction, transaction
from schema.errors import BadInput
from schema.geometry import Scene, parse_line
from schema.queries import cameras, files
from schema.queries.cameras import Camera
from schema.settings import StorageSettings
from schema.storage import FsspecStore, open_storage
from schema.storage.sweep import GRACE_NS, count_expired, delete_orphans, expire, find_orphans
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def camera(engine) -> Camera:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        scene = Scene(lines=(parse_line("door=0.5,0,0.5,1"),))
        return cameras.add(session, Camera(name="lobby", source="x.mp4", scene=scene))


@pytest.fixture(autouse=True)
def _empty(engine) -> Iterator[None]:
    yield
    with owner_transaction(engine) as session:
        session.execute(text("delete from evidence"))
        session.execute(text("delete from files"))


@pytest.fixture
def store(tmp_path) -> FsspecStore:
    store = open_storage(StorageSettings(url=(tmp_path / "files").as_uri()))
    store.check()
    return store


def now_ns() -> int:
    return time.time_ns()


def show(engine, store, camera, content: bytes, *, days_ago: float = 0, kind="evidence", expires_ns=None) -> str:
    """Keep a file, as the picture of a crossing if it is evidence; gives its path."""
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        kept = files.keep(
            session, store, content, kind=kind, filename="x", mime_type="image/jpeg", expires_ns=expires_ns
        )
        if kind == "evidence":
            session.execute(
                text(
                    "insert into evidence (event_id, occurred_at, camera_id, zone_id, file_id, model, seen_at, box,"
                    " trajectory, created_at) values (:event, now(), :camera, :zone, :file, 'm', now(),"
                    " '{0,0,1,1}', '[]', now() - :days * interval '1 day')"
                ),
                {
                    "event": uuid4(),
                    "camera": camera.id,
                    "zone": camera.scene.lines[0].id,
                    "file": kept.id,
                    "days": days_ago,
                },
            )
    return kept.path


def count(engine, table: str) -> int:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return session.scalar(text(f"select count(*) from {table}"))


def age(engine, store, *paths: str) -> None:
    """Make files and their rows older than the time in which they are left alone."""
    for path in paths:
        if store.exists(path):
            os.utime(store.local / path, (1, 1))
    with owner_transaction(engine) as session:
        session.execute(text("update files set created_at = created_at - interval '2 hours'"))


def test_pictures_go_when_the_tenant_s_time_for_them_is_over(engine, store, camera):
    old, young = (show(engine, store, camera, name, days_ago=days) for name, days in ((b"old", 15), (b"young", 13)))
    assert count_expired(engine, now_ns=now_ns()).pictures == 1
    done = expire(engine, store, now_ns=now_ns())
    assert (done.pictures, done.files, done.bytes_freed) == (1, 0, 3)
    assert (store.exists(old), store.exists(young)) == (False, True)
    assert (count(engine, "evidence"), count(engine, "files")) == (1, 1)


def test_a_picture_that_a_younger_crossing_shares_stays(engine, store, camera):
    path = show(engine, store, camera, b"shared", days_ago=15)
    show(engine, store, camera, b"shared", days_ago=1)
    done = expire(engine, store, now_ns=now_ns())
    assert (done.pictures, done.bytes_freed) == (1, 0)
    assert store.exists(path)


def test_a_file_that_another_kind_shares_stays(engine, store, camera):
    path = show(engine, store, camera, b"shared", days_ago=15)
    show(engine, store, camera, b"shared", kind="upload")
    expire(engine, store, now_ns=now_ns())
    assert store.exists(path)
    assert count(engine, "files") == 1


def test_a_file_with_a_date_goes_when_it_has_passed(engine, store, camera):
    gone = show(engine, store, camera, b"export", kind="export", expires_ns=now_ns() + DAY_NS)
    kept = show(engine, store, camera, b"archive", kind="archive")
    assert expire(engine, store, now_ns=now_ns()).files == 0
    assert expire(engine, store, now_ns=now_ns() + 2 * DAY_NS).files == 1
    assert (store.exists(gone), store.exists(kept)) == (False, True)


def test_a_file_kept_again_expires_when_the_later_of_both_does(engine, store, camera):
    later = now_ns() + 5 * DAY_NS
    show(engine, store, camera, b"export", kind="export", expires_ns=later)
    show(engine, store, camera, b"export", kind="export", expires_ns=now_ns() + DAY_NS)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        (kept,) = files.listing(session, kind="export")
    assert kept.expires_ns == later // 1000 * 1000
    show(engine, store, camera, b"export", kind="export")
    assert expire(engine, store, now_ns=now_ns() + 99 * DAY_NS).files == 0


def test_a_file_without_a_row_and_a_row_without_a_file_are_found_and_deleted(engine, store, camera):
    kept, lost = (show(engine, store, camera, name) for name in (b"kept", b"lost"))
    stray = store.put(b"stray", mime_type="image/jpeg").path
    store.delete(lost)
    age(engine, store, kept, stray)
    found = find_orphans(engine, store, now_ns=now_ns())
    assert [info.path for info in found.strays] == [stray]
    assert [path for _, path in found.gone] == [lost]
    delete_orphans(engine, store, found)
    assert (store.exists(kept), store.exists(stray)) == (True, False)
    assert (count(engine, "evidence"), count(engine, "files")) == (1, 1)
    found = find_orphans(engine, store, now_ns=now_ns())
    assert (found.strays, found.gone) == ((), ())


def test_what_is_young_is_left_alone_for_its_other_half_may_be_on_the_way(engine, store, camera):
    stray = store.put(b"stray", mime_type="image/jpeg").path
    store.delete(show(engine, store, camera, b"lost"))
    found = find_orphans(engine, store, now_ns=now_ns())
    assert (found.strays, found.gone) == ((), ())
    later = find_orphans(engine, store, now_ns=now_ns() + GRACE_NS)
    assert [info.path for info in later.strays] == [stray]
    assert len(later.gone) == 1


def test_a_stray_that_got_its_row_in_the_meantime_stays(engine, store, camera):
    stray = store.put(b"stray", mime_type="image/jpeg").path
    found = find_orphans(engine, store, now_ns=now_ns() + GRACE_NS)
    show(engine, store, camera, b"stray")
    delete_orphans(engine, store, found)
    assert store.exists(stray)


def test_an_empty_storage_is_taken_for_the_wrong_one(engine, store, camera):
    for name in (b"a", b"b"):
        store.delete(show(engine, store, camera, name))
    found = find_orphans(engine, store, now_ns=now_ns() + GRACE_NS)
    with pytest.raises(BadInput, match=r"none of the 2 files that the database names is there: mount the storage"):
        delete_orphans(engine, store, found)
    assert count(engine, "files") == 2


def test_files_of_named_areas_belong_to_others(engine, store):
    store.write("cold/2026/a.parquet", b"x")
    found = find_orphans(engine, store, now_ns=now_ns() + GRACE_NS)
    assert found.strays == ()


def test_what_a_crash_left_half_written_is_a_stray(engine, store):
    (store.local / ".incoming").mkdir(exist_ok=True)
    (store.local / ".incoming/half").write_bytes(b"half")
    found = find_orphans(engine, store, now_ns=now_ns() + GRACE_NS)
    assert [info.path for info in found.strays] == [".incoming/half"]


@pytest.fixture
def config(tmp_path, dsn, store):
    """Gives a settings file that names this storage, or another."""

    def write(url: str = store.local.as_uri()) -> str:
        path = tmp_path / "turnstile.yaml"
        path.write_text(f"home: {tmp_path}\npostgres_dsn: {dsn}\nstorage:\n  url: {url}\n")
        return str(path)

    return write


def test_the_command_lists_expires_and_collects(engine, store, camera, config, capsys):
    def answer(*arguments: str):
        assert run(["files", *arguments, "--json", "--config", config()]) == 0
        return json.loads(capsys.readouterr().out)

    old = show(engine, store, camera, b"old", days_ago=15)
    store.put(b"stray", mime_type="image/jpeg")
    assert [file["path"] for file in answer("list")] == [old]
    assert answer("expire", "--dry-run") == {"deleted": False, "pictures": 1, "files": 0, "bytes_freed": 0}
    assert answer("expire") == {"deleted": True, "pictures": 1, "files": 0, "bytes_freed": 3}
    assert answer("orphans") == {"deleted": False, "strays": [], "gone": []}
    for path in store.local.rglob("*"):
        os.utime(path, (1, 1))
    assert run(["files", "orphans", "--delete", "--config", config()]) == 0
    assert "1 files without a row (5 bytes), 0 rows without a file: deleted" in capsys.readouterr().out
    assert run(["files", "list", "--config", config()]) == 0


def test_the_command_says_what_is_wrong_with_the_storage(config, capsys):
    assert run(["files", "orphans", "--config", config("ftp://here")]) == 2
    assert "storage.url is neither a folder nor a bucket" in capsys.readouterr().err
