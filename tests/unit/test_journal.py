import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from actors.worker.journal import Journal, JournalFull
from schema.events import CameraEvent, Checkpoint, Coverage, Crossing, Delivery, crossing_id
from schema.wire import pack_delivery, unpack_delivery


def crossing(number: int) -> Crossing:
    return Crossing(
        event_id=crossing_id(camera_id=1, epoch="e", track_id=number, rule="door", version=1, ordinal=0),
        camera_id=1,
        epoch="e",
        track_id=number,
        kind="line",
        rule="door",
        rule_id=3,
        direction="out",
        ordinal=0,
        frame=number,
        occurred_ns=1_800_000_000_123_456_789 + number,
        confirmed_ns=1_800_000_000_223_456_789 + number,
        confidence=0.1 + 0.2,
        x=1 / 3,
        y=0.25,
        undoes=uuid4(),
        undoes_ns=1_800_000_000_000_000_001,
        dwell_s=2.5,
        model="yolo11n",
    )


def delivery(number: int = 0, *, is_file: bool = False, crossings: int = 1, state: bytes = b"") -> Delivery:
    return Delivery(
        camera_id=1,
        lease_epoch=2,
        epoch="e",
        started_ns=number,
        is_file=is_file,
        crossings=tuple(crossing(number + i) for i in range(crossings)),
        coverage=(Coverage(camera_id=1, epoch="e", from_ns=1, to_ns=2),),
        events=(CameraEvent(event_id=uuid4(), camera_id=1, event_type="lost", occurred_ns=5, data={"why": ["ü", 1]}),),
        checkpoint=Checkpoint(epoch="e", seq=9, state=state, finished=True) if is_file else None,
    )


def waiting(journal: Journal) -> list[Delivery]:
    return [entry.delivery for entry in journal.pending(1000)]


def test_a_delivery_is_unpacked_exactly_as_it_was_packed():
    given = delivery(7, is_file=True, state=bytes(range(256)))
    assert unpack_delivery(pack_delivery(given)) == given


def test_deliveries_wait_in_order_until_they_are_acknowledged(tmp_path: Path):
    journal = Journal(tmp_path)
    given = [delivery(i) for i in range(5)]
    journal.append(given[:2])
    journal.append(given[2:])

    assert waiting(journal) == given
    journal.acknowledge([entry.id for entry in journal.pending(3)])
    assert waiting(journal) == given[3:]
    journal.close()


def test_a_closed_journal_with_nothing_in_it_leaves_nothing_behind(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append([delivery()])
    journal.acknowledge([entry.id for entry in journal.pending(1)])
    assert journal.waiting_bytes == 0
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_closed_journal_held_is_taken_over_by_the_next(tmp_path: Path):
    before = Journal(tmp_path)
    before.append([delivery(1), delivery(2)])
    held = waiting(before)
    before.close()

    journal = Journal(tmp_path)
    assert journal.adopt_orphans() == 2
    assert waiting(journal) == held
    assert journal.adopt_orphans() == 0
    journal.acknowledge([entry.id for entry in journal.pending(2)])
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_the_journal_of_a_living_process_is_left_alone(tmp_path: Path):
    alive, other = Journal(tmp_path), Journal(tmp_path)
    alive.append([delivery()])
    assert other.adopt_orphans() == 0
    assert len(waiting(alive)) == 1
    alive.close()
    other.close()


def test_the_journal_of_a_killed_process_is_taken_over(tmp_path: Path):
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from actors.worker.journal import Journal\n"
            "from tests.unit.test_journal import delivery\n"
            "journal = Journal(Path(sys.argv[1])); journal.append([delivery(3)]); print(flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    journal = Journal(tmp_path)
    assert journal.adopt_orphans() == 0

    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert journal.adopt_orphans() == 1
    assert waiting(journal)[0].crossings[0].track_id == 3
    journal.close()


def test_an_unreadable_orphan_is_set_aside_and_not_lost(tmp_path: Path):
    before = Journal(tmp_path)
    before.append([delivery(1)])
    before.close()
    orphan = next(tmp_path.glob("*.journal"))
    with sqlite3.connect(orphan) as database:
        database.execute("insert into deliveries (body) values ('not a delivery')")
    database.close()

    journal = Journal(tmp_path)
    assert journal.adopt_orphans() == 1
    assert [path.name for path in tmp_path.glob("*.unreadable")] == [orphan.with_suffix(".unreadable").name]
    journal.close()


def test_a_full_journal_makes_recordings_wait_and_writes_nothing(tmp_path: Path):
    size = len(pack_delivery(delivery(is_file=True)))
    journal = Journal(tmp_path, max_bytes=2 * size)
    journal.append([delivery(is_file=True)])
    with pytest.raises(JournalFull):
        journal.append([delivery(is_file=True)])
    assert len(waiting(journal)) == 1
    journal.acknowledge([entry.id for entry in journal.pending(1)])
    journal.append([delivery(is_file=True)])
    journal.close()


def test_a_full_journal_sheds_coverage_of_live_cameras_and_keeps_their_crossings(tmp_path: Path):
    size = len(pack_delivery(delivery()))
    journal = Journal(tmp_path, max_bytes=11 * size)
    journal.append([delivery(i) for i in range(9)])
    journal.append([delivery(crossings=0), delivery(50)])
    assert journal.shed == 1
    assert [held.crossings[0].track_id for held in waiting(journal)] == [*range(9), 50]
    with pytest.raises(JournalFull):
        journal.append([delivery(51)])
    journal.close()


def test_after_an_outage_the_file_is_small_again(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append([delivery(j, is_file=True, state=bytes(20_000)) for j in range(200)])
    journal.acknowledge([entry.id for entry in journal.pending(199)])
    journal.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000
