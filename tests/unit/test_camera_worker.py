"""A worker takes frames of many cameras to deliveries, in order, and gives up nothing that it was not told to."""

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from actors.capture.feed import FeedEvent, FeedStats
from actors.worker.camera import BATCH_FRAMES, CameraWorker
from actors.worker.looks import IN_FLIGHT
from schema.camera import CameraSpec
from schema.errors import DetectorUnavailable, Permanent, Retryable
from schema.events import Detections, Frame, FrameId
from schema.geometry import Line, Point, Scene
from schema.ports import DetectorSpec
from schema.work import Assignment

SECOND = 1_000_000_000
DOOR = Scene(lines=(Line(name="door", a=Point(x=0.5, y=0), b=Point(x=0.5, y=1), id=7),))


class BlankPicture:
    width, height = 100, 100

    def rgb(self, width, height):
        return np.zeros((height, width, 3), np.uint8)

    def luma(self, width, height):
        return np.zeros((height, width), np.uint8)


class FakeFeed:
    def __init__(self, spec, *, bell, start_seq=1, motion_gate=True):
        self.spec, self.start_seq, self.motion_gate = spec, start_seq, motion_gate
        self.items = []
        self.closed = False
        self.stats = FeedStats(decoded=0, skipped=3, still=0, reconnects=1, last_frame_ns=None, state="watching")

    def start(self):
        pass

    def close(self):
        self.closed = True

    def take(self, limit):
        taken, self.items = self.items[:limit], self.items[limit:]
        return taken


class WalkerDetector:
    """Sees one person who walks from left to right in 20 frames."""

    spec = DetectorSpec(model="walker", width=4, height=4, keep_aspect=False)

    def __init__(self):
        self.batches = []
        self.error = None

    def detect(self, batch, ids):
        self.batches.append(list(ids))
        if self.error is not None:
            raise self.error
        return [walker_at(frame.seq) for frame in ids]


def walker_at(seq):
    x = 0.2 + 0.03 * seq
    boxes = np.array([[x - 0.05, 0.4, x + 0.05, 0.7]], np.float32)
    return Detections(boxes=boxes, scores=np.array([0.9], np.float32), model="walker")


class Later(Executor):
    """Runs what it is given when told to."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run(self, place=0):
        future, work = self.waiting.pop(place)
        try:
            future.set_result(work())
        except (Permanent, Retryable) as error:
            future.set_exception(error)


class AtOnce(Later):
    def submit(self, fn, /, *args, **kwargs):
        future = super().submit(fn, *args, **kwargs)
        self.run()
        return future


class KeptJournal:
    def __init__(self):
        self.deliveries = []
        self.full = False

    def append(self, deliveries):
        if self.full:
            raise Retryable("the journal is full")
        self.deliveries.extend(deliveries)


@dataclass
class Bench:
    pool: Executor = field(default_factory=AtOnce)
    now_ns: int = 1000 * SECOND

    def __post_init__(self):
        self.detector, self.journal, self.feeds = WalkerDetector(), KeptJournal(), {}
        self.worker = CameraWorker(
            "w", self.detector, self.journal, open_feed=self.open_feed, clock_ns=lambda: self.now_ns, pool=self.pool
        )

    def open_feed(self, spec, **options):
        self.feeds[spec.id] = FakeFeed(spec, **options)
        return self.feeds[spec.id]

    def assign(self, camera_id, playback="live", lease_epoch=1, **assignment):
        spec = CameraSpec(
            id=camera_id, name=f"c{camera_id}", source="x", scene=DOOR, playback=playback, detect_fps=None, started_ns=1
        )
        self.worker.assign(Assignment(spec=spec, lease_epoch=lease_epoch, **assignment))
        return self.feeds[camera_id]

    def turn(self, times=40):
        for _ in range(times):
            self.worker.turn()

    def crossings(self):
        return [crossing for delivery in self.journal.deliveries for crossing in delivery.crossings]


def frames(camera_id, seqs, epoch="e", still=False):
    return [
        Frame(
            id=FrameId(camera_id=camera_id, epoch=epoch, seq=seq),
            captured_ns=1000 * SECOND + seq * SECOND // 10,
            picture=BlankPicture(),
            still=still,
        )
        for seq in seqs
    ]


def event(kind, epoch="e", at_ns=1000 * SECOND, reason=""):
    return FeedEvent(kind=kind, epoch=epoch, occurred_ns=at_ns, reason=reason)


@pytest.fixture
def bench():
    return Bench()


def test_a_crossing_is_delivered_with_the_lease_and_the_epoch(bench):
    bench.assign(1, lease_epoch=4).items = frames(1, range(1, 21))
    bench.turn()
    (crossing,) = bench.crossings()
    assert (crossing.rule, crossing.epoch, crossing.model) == ("door", "e", "walker")
    delivery = next(delivery for delivery in bench.journal.deliveries if delivery.crossings)
    assert (delivery.lease_epoch, delivery.is_file) == (4, False)


def test_frames_of_all_cameras_share_a_batch(bench):
    for camera_id in (1, 2, 3):
        bench.assign(camera_id).items = frames(camera_id, [1, 2])
    bench.turn()
    (batch,) = bench.detector.batches
    assert sorted(frame.camera_id for frame in batch) == [1, 1, 2, 2, 3, 3]


def test_a_batch_is_bounded_and_live_cameras_go_first(bench):
    bench.assign(1, "recorded", epoch="e").items = frames(1, range(1, 30))
    bench.assign(2).items = frames(2, [1])
    bench.worker.turn()
    assert len(bench.detector.batches[0]) == BATCH_FRAMES
    assert bench.detector.batches[0][0].camera_id == 2


def test_only_so_many_batches_are_on_their_way():
    bench = Bench(pool=Later())
    bench.assign(1, "recorded", epoch="e").items = frames(1, range(1, 100))
    bench.turn()
    assert len(bench.pool.waiting) == IN_FLIGHT
    assert len(bench.feeds[1].items) == 99 - IN_FLIGHT * BATCH_FRAMES


def test_answers_out_of_order_are_counted_in_order():
    straight, crooked = Bench(), Bench(pool=Later())
    for bench in (straight, crooked):
        bench.assign(1, "recorded", epoch="e").items = [*frames(1, range(1, 21)), event("ended")]
    straight.turn()
    crooked.turn()
    while crooked.pool.waiting:
        crooked.pool.run(place=-1)
        crooked.turn()
    assert crooked.crossings() == straight.crossings() != []


def test_a_still_frame_repeats_what_was_seen_without_looking(bench):
    feed = bench.assign(1)
    feed.items = [*frames(1, [1]), *frames(1, [2, 3], still=True)]
    bench.turn()
    assert [frame.seq for batch in bench.detector.batches for frame in batch] == [1]
    (status,) = bench.worker.status().cameras
    assert status.seq == 3


def test_a_recording_delivers_crossings_together_with_a_checkpoint(bench):
    bench.assign(1, "recorded", epoch="e").items = [*frames(1, range(1, 21)), event("ended")]
    bench.turn()
    assert all(delivery.checkpoint for delivery in bench.journal.deliveries if delivery.crossings)
    last = bench.journal.deliveries[-1]
    assert last.is_file
    assert last.checkpoint.finished
    assert last.checkpoint.seq == 20


def test_every_checkpoint_is_a_place_to_go_on_from(bench):
    undisturbed = Bench()
    undisturbed.assign(1, "recorded", epoch="e").items = [*frames(1, range(1, 21)), event("ended")]
    undisturbed.turn()

    bench.assign(1, "recorded", epoch="e").items = frames(1, range(1, 13))
    bench.turn(3)
    bench.now_ns += 3 * SECOND
    bench.turn(3)
    checkpoint = bench.journal.deliveries[-1].checkpoint
    kept = len(bench.journal.deliveries)
    assert checkpoint.seq > 0

    heir = Bench()
    heir.assign(1, "recorded", epoch="e", checkpoint=checkpoint)
    assert heir.feeds[1].start_seq == checkpoint.seq + 1
    heir.feeds[1].items = [*frames(1, range(checkpoint.seq + 1, 21)), event("ended")]
    heir.turn()
    together = [*bench.journal.deliveries[:kept], *heir.journal.deliveries]
    assert [c for d in together for c in d.crossings] == undisturbed.crossings()
    spans = {c.from_ns: c.to_ns for d in together for c in d.coverage}
    assert spans == {c.from_ns: c.to_ns for d in undisturbed.journal.deliveries for c in d.coverage}


def test_a_file_that_is_another_one_now_fails_instead_of_being_mixed_up(bench):
    bench.assign(1, "recorded", epoch="other").items = frames(1, range(1, 21))
    bench.turn()
    (status,) = bench.worker.status().cameras
    assert status.state == "failed"
    assert bench.crossings() == []


def test_coverage_is_told_about_once_a_second_and_shows_gaps(bench):
    feed = bench.assign(1)
    for start in (1, 100):
        feed.items = frames(1, range(start, start + 10))
        bench.turn()
        bench.now_ns += 2 * SECOND
        bench.turn()
    spans = {c.from_ns: c.to_ns for d in bench.journal.deliveries for c in d.coverage}
    base = 1000 * SECOND
    assert [((a - base) // 10**8, (b - base) // 10**8) for a, b in spans.items()] == [(1, 10), (100, 109)]


def test_a_lost_stream_ends_its_epoch_and_the_next_starts_afresh(bench):
    feed = bench.assign(1)
    feed.items = [
        event("connected"), *frames(1, range(1, 11)), event("lost", reason="silence"),
        event("connected", "f"), *frames(1, range(11, 21), epoch="f"),
    ]  # fmt: skip
    bench.turn()
    assert [e.event_type for d in bench.journal.deliveries for e in d.events] == ["connected", "lost", "connected"]
    assert {d.epoch for d in bench.journal.deliveries} == {"e", "f"}


def test_a_camera_taken_by_another_worker_is_dropped_without_a_word(bench):
    feed = bench.assign(1, lease_epoch=2)
    feed.items = frames(1, range(1, 5))
    bench.turn()
    before = len(bench.journal.deliveries)
    bench.worker.refused(1, lease_epoch=2)
    bench.turn()
    assert feed.closed
    assert bench.worker.status().cameras == ()
    assert len(bench.journal.deliveries) == before


def test_a_refusal_of_an_older_lease_leaves_the_camera(bench):
    bench.assign(1, lease_epoch=3)
    bench.worker.refused(1, lease_epoch=2)
    assert len(bench.worker.status().cameras) == 1


def test_an_older_lease_does_not_replace_a_newer_one(bench):
    bench.assign(1, lease_epoch=3)
    bench.assign(1, lease_epoch=2)
    assert [camera.lease_epoch for camera in bench.worker.status().cameras] == [3]


def test_while_the_journal_is_full_no_frame_is_taken(bench):
    feed = bench.assign(1, "recorded", epoch="e")
    feed.items = [*frames(1, range(1, 21)), event("ended")]
    bench.journal.full = True
    bench.turn()
    waiting = len(feed.items)
    bench.turn()
    assert len(feed.items) == waiting
    bench.journal.full = False
    bench.turn()
    assert bench.journal.deliveries[-1].checkpoint.finished
    assert len(bench.crossings()) == 1


def test_a_detector_that_is_away_is_asked_again_with_the_same_frames(bench):
    class Sometimes(WalkerDetector):
        def detect(self, batch, ids):
            found = super().detect(batch, ids)
            if len(self.batches) == 1:
                raise DetectorUnavailable("starting")
            return found

    bench.detector = Sometimes()
    bench.worker = CameraWorker(
        "w", bench.detector, bench.journal, open_feed=bench.open_feed, clock_ns=lambda: bench.now_ns, pool=AtOnce()
    )
    bench.assign(1, "recorded", epoch="e").items = frames(1, range(1, 3))
    bench.turn()
    assert bench.detector.batches[0] == bench.detector.batches[1]
    assert bench.worker.status().detector_retries == 1


def test_a_batch_that_can_never_be_answered_fails_recordings_and_skips_live_frames(bench):
    bench.detector.error = Permanent("the model failed")
    bench.assign(1, "recorded", epoch="e").items = frames(1, [1])
    live = bench.assign(2)
    live.items = frames(2, [1])
    bench.turn()
    bench.detector.error = None
    live.items = frames(2, [2])
    bench.turn()
    states = {camera.spec.id: camera.state for camera in bench.worker.status().cameras}
    assert states == {1: "failed", 2: "watching"}


def test_an_edit_counts_by_the_new_rules_and_leaves_the_stream(bench):
    feed = bench.assign(1)
    feed.items = frames(1, range(1, 6))
    bench.turn()
    line = Line(name="far", a=Point(x=0.6, y=0), b=Point(x=0.6, y=1), id=8)
    bench.worker.edit(replace(feed.spec, scene=Scene(lines=(line,))))
    feed.items = frames(1, range(6, 21))
    bench.turn()
    assert [(crossing.rule, crossing.epoch) for crossing in bench.crossings()] == [("far", "e")]
    assert not feed.closed


def test_a_recording_that_is_taken_back_leaves_a_checkpoint(bench):
    feed = bench.assign(1, "recorded", epoch="e")
    feed.items = frames(1, range(1, 6))
    bench.turn()
    bench.worker.unassign(1)
    assert bench.journal.deliveries[-1].checkpoint.seq == 5
    assert feed.closed


def test_draining_counts_what_is_on_its_way(bench):
    bench.assign(1).items = frames(1, range(1, 21))
    bench.turn(1)
    bench.worker.drain(timeout_s=0)
    assert bench.worker.status().cameras == ()
    assert bench.journal.deliveries
