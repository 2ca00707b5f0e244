"""Keys are rotated while the system reads and writes; a dump shows nothing that is sealed."""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cluster.cli import run
from cluster.rotation import check_keys, rotate, usage
from schema.crypto import add_key, make_key_file, token_digest
from schema.crypto.key_file import read_key_file
from schema.database import open_engine, owner_transaction, transaction
from schema.errors import BadInput
from schema.queries import cameras, user_sessions, users
from schema.queries.cameras import Camera
from schema.settings import KEYS_FILE_VARIABLE, KEYS_VARIABLE
from schema.tenants import DEFAULT_TENANT_ID
from schema.users import User

pytestmark = pytest.mark.integration

ADDRESS = "rtsp://joe:geheim{}@10.0.0.1/1?token=hush{}"


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "keys"
    make_key_file(file)
    monkeypatch.delenv(KEYS_VARIABLE)
    monkeypatch.setenv(KEYS_FILE_VARIABLE, str(file))
    return file


@pytest.fixture(autouse=True)
def empty(engine: Engine, key_file: Path) -> None:
    with owner_transaction(engine) as session:
        session.execute(text("delete from cameras"))
        session.execute(text("delete from users"))


def add(engine: Engine, count: int) -> list[Camera]:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return [
            cameras.add(session, Camera(name=f"camera-{number}", source=ADDRESS.format(number, number)))
            for number in range(count)
        ]


def listed(engine: Engine) -> list[str]:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return [camera.source for camera in cameras.listing(session)]


def stored(engine: Engine) -> list[tuple[str, bytes | None]]:
    with owner_transaction(engine) as session:
        return [tuple(row) for row in session.execute(text("select source, source_sealed from cameras order by id"))]


def test_an_address_is_kept_without_its_credentials_and_sealed_whole(engine: Engine):
    added = add(engine, 1)
    ((shown, sealed),) = stored(engine)
    assert shown == "rtsp://10.0.0.1/1?token="
    assert sealed is not None
    assert added[0].source == ADDRESS.format(0, 0)
    assert listed(engine) == [added[0].source]


def test_writing_the_same_address_again_changes_nothing(engine: Engine):
    camera = add(engine, 1)[0]
    before = stored(engine)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.put(session, replace(camera, id=0, friendly_name="Hall"))
    assert stored(engine) == before
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.change(session, replace(camera, source="/videos/a.mp4"))
    assert stored(engine) == [("/videos/a.mp4", None)]


def test_what_the_previous_release_writes_is_read_and_sealed_by_the_next_rotation(engine: Engine):
    add(engine, 3)
    with owner_transaction(engine) as session:
        write = text("update cameras set source = :source where name = :name")
        session.execute(write, {"name": "camera-0", "source": "rtsp://eve:other@10.0.0.2/1"})
        session.execute(write, {"name": "camera-1", "source": "/videos/a.mp4"})
        session.execute(text("update cameras set removed_at = now() where name = 'camera-0'"))
    assert listed(engine) == ["/videos/a.mp4", ADDRESS.format(2, 2)]
    assert rotate(engine).changed["cameras.source_sealed"] == 1
    assert [shown for shown, _ in stored(engine)] == ["rtsp://10.0.0.2/1", "/videos/a.mp4", "rtsp://10.0.0.1/1?token="]
    with owner_transaction(engine) as session:
        session.execute(text("update cameras set removed_at = null"))
    assert listed(engine)[0] == "rtsp://eve:other@10.0.0.2/1"


def test_all_values_get_the_newest_key_and_the_old_one_is_named_as_unused(engine: Engine, key_file: Path):
    add(engine, 5)
    (old,) = usage(engine)
    add_key(key_file, "k2")
    assert rotate(engine).unused == (old,)
    assert usage(engine) == {"k2": 5}
    again = rotate(engine)
    assert set(again.changed.values()) == {0}
    assert listed(engine) == [ADDRESS.format(number, number) for number in range(5)]


def test_people_keep_their_addresses_and_are_found_by_them(engine: Engine, key_file: Path):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        for name in ("ann", "joe"):
            users.add(session, User(username=name, email=f"{name}@example.org"))
        users.add(session, User(username="nobody"))
    add_key(key_file, "k2")
    assert rotate(engine).changed["users.email_sealed"] == 2
    assert usage(engine) == {"k2": 2}

    lines = key_file.read_text().splitlines()
    other = base64.b64encode(os.urandom(32)).decode()
    key_file.write_text("\n".join([*(line for line in lines if not line.startswith("index:")), f"index:{other}"]))
    assert rotate(engine).changed["users.email_sealed"] == 2
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        found = users.by_email(session, "Joe@Example.org")
    assert found is not None
    assert (found.username, found.email) == ("joe", "joe@example.org")


def test_rotation_goes_on_beside_readers_and_writers(engine: Engine, key_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cluster.rotation.BATCH", 2)
    written = {camera.name: camera for camera in add(engine, 12)}
    stop = threading.Event()
    failures: list[BaseException] = []

    def use() -> None:
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                name = f"camera-{turn % 12}"
                written[name] = replace(written[name], source=ADDRESS.format(turn, turn))
                with transaction(engine, DEFAULT_TENANT_ID) as session:
                    cameras.change(session, written[name])
                assert len(listed(engine)) == 12
        except BaseException as error:
            failures.append(error)
            raise

    user = threading.Thread(target=use)
    user.start()
    for number in range(4):
        add_key(key_file, f"k{number}")
        rotate(engine)
    stop.set()
    user.join()
    assert failures == []
    assert rotate(engine).left == {}
    assert listed(engine) == [written[name].source for name in sorted(written)]


def test_a_killed_rotation_goes_on_where_it_was(engine: Engine, key_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cluster.rotation.BATCH", 2)
    add(engine, 7)
    add_key(key_file, "k2")

    def die(changed: int) -> None:
        if changed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(engine, die)
    assert usage(engine)["k2"] == 2
    assert rotate(engine).changed["cameras.source_sealed"] == 5


def test_a_missing_or_wrong_key_is_named_before_anything_starts(engine: Engine, key_file: Path):
    add(engine, 1)
    check_keys(engine)
    right = key_file.read_text()
    key_id = read_key_file(key_file).newest
    other = base64.b64encode(os.urandom(32)).decode()
    key_file.write_text(f"other:{other}\n")
    with pytest.raises(BadInput, match=f"the key '{key_id}', which sealed cameras.source_sealed, is not among"):
        check_keys(engine)
    key_file.write_text(f"{key_id}:{other}\n{other[:5]}")
    with pytest.raises(BadInput, match="line 2 is not a key"):
        check_keys(engine)
    key_file.write_text(f"{key_id}:{other}\n")
    with pytest.raises(BadInput, match=f"does not open with the key '{key_id}'"):
        check_keys(engine)
    key_file.write_text(right)
    check_keys(engine)


def test_a_camera_whose_key_is_lost_hides_no_other_and_gets_a_new_address(engine: Engine, key_file: Path):
    lost = add(engine, 1)[0]
    key_file.unlink()
    make_key_file(key_file)
    key_file.write_text(key_file.read_text().replace("\nk", "\nother-k"))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.add(session, Camera(name="fine", source=ADDRESS.format(1, 1)))
    shown = "rtsp://10.0.0.1/1?token="
    assert listed(engine) == [shown, ADDRESS.format(1, 1)]

    before = stored(engine)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.change(session, replace(lost, source=shown))
    assert stored(engine) == before, "what may be opened again some day stays"
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.change(session, replace(lost, source=ADDRESS.format(2, 2)))
    assert listed(engine) == [ADDRESS.format(2, 2), ADDRESS.format(1, 1)]
    check_keys(engine)


def test_a_removed_camera_keeps_no_credentials(engine: Engine):
    camera = add(engine, 1)[0]
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.remove(session, camera.id)
    assert stored(engine) == [("rtsp://10.0.0.1/1?token=", None)]


def test_credentials_that_are_taken_out_of_an_address_are_gone(engine: Engine):
    camera = add(engine, 1)[0]
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.change(session, replace(camera, source="rtsp://10.0.0.1/1?token="))
    assert stored(engine) == [("rtsp://10.0.0.1/1?token=", None)]


def test_the_command_makes_a_key_rotates_and_reports(
    engine: Engine,
    dsn: str,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("TURNSTILE_POSTGRES_DSN", dsn)
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    add(engine, 2)
    (old,) = usage(engine)
    assert run(["db", "rotate-keys", "--new-key", "k2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["newest"], said["in_use"], said["unused"], said["left"]) == ("k2", {"k2": 2}, [old], {})
    assert run(["db", "rotate-keys"]) == 0
    assert f"no longer used: {old}" in capsys.readouterr().out
    assert run(["db", "rotate-keys", "--new-key", "k2"]) == 2
    assert "'k2' is given twice" in capsys.readouterr().err


def test_a_dump_shows_nothing_that_is_sealed(engine: Engine, dsn: str, key_file: Path):
    add(engine, 3)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        user = users.add(session, User(username="joe", email="joe.secret@example.org"))
        token = user_sessions.create(session, user.id, now_ns=time.time_ns(), ttl_s=60).token
    dump = subprocess.run(["pg_dump", "--inserts", dsn], capture_output=True, check=True, text=True).stdout
    assert "rtsp://10.0.0.1/1?token=" in dump
    assert "INSERT INTO public.users" in dump
    assert token_digest(token).hex() in dump
    keys = (line.partition(":")[2] for line in key_file.read_text().splitlines()[1:])
    for secret in ("geheim", "hush", "joe.secret", "example.org", token, *keys):
        for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()):
            assert form not in dump
