"""A camera's feed: what is told, what is dropped, when it tries again."""

import threading

import pytest

from actors.backoff import CAP_S, FIRST_S, Backoff
from actors.capture.feed import RECORDED_FRAMES_AHEAD, CameraFeed
from actors.capture.feed_queue import FeedEvent
from schema.camera import CameraSpec
from schema.errors import BadInput, SourceLost
from schema.events import Frame
from tests.unit.fake_camera import FRAME_NS, FakeSource, Opener, camera, frame

NOW_NS = 5_000 * FRAME_NS


class Run:
    """Runs a live feed over scripted sources in this thread, taking everything; pauses are noted, not waited."""

    def __init__(self, *outcomes: FakeSource | Exception, spec: CameraSpec | None = None, gate: bool = False) -> None:
        self.pauses: list[float] = []
        self.items: list[Frame | FeedEvent] = []
        self.opener = Opener(*outcomes)
        self.bell = threading.Event()
        self.feed = CameraFeed(
            spec or camera(),
            bell=self.bell,
            motion_gate=gate,
            clock_ns=lambda: NOW_NS,
            open_source=self.opener,
            pause=self._pause,
        )
        self.feed.run()
        self.items += self.feed.take(100)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.items += self.feed.take(100)
        if not self.opener.outcomes:
            self.feed.close()

    @property
    def news(self) -> list[tuple[str, str]]:
        return [(item.kind, item.reason) for item in self.items if isinstance(item, FeedEvent)]

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]


def test_connected_precedes_the_first_frame_and_lost_follows_the_last() -> None:
    run = Run(FakeSource([frame(1)], error=SourceLost("it broke")))
    connected, seen, lost = run.items
    assert isinstance(connected, FeedEvent)
    assert isinstance(seen, Frame)
    assert isinstance(lost, FeedEvent)
    assert (connected.kind, seen.id.seq, lost.kind, lost.reason) == ("connected", 1, "lost", "it broke")
    assert connected.epoch == seen.id.epoch == lost.epoch == "e"
    assert (connected.occurred_ns, lost.occurred_ns) == (seen.captured_ns, NOW_NS)
    assert run.bell.is_set()


def test_a_lost_source_tells_until_when_it_was_watched() -> None:
    run = Run(FakeSource([frame(k) for k in range(1, 11)], error=SourceLost("it broke")))
    lost = run.items[-1]
    assert isinstance(lost, FeedEvent)
    assert lost.watched is not None
    assert (lost.watched.from_ns, lost.watched.to_ns) == (0, 9 * FRAME_NS)
    assert run.feed.watched == lost.watched


def test_a_source_that_cannot_be_opened_is_refused_once_for_each_reason_and_tried_for_ever() -> None:
    run = Run(*[SourceLost("nothing listens")] * 5, SourceLost("wrong password"), SourceLost("wrong password"))
    assert run.news == [("refused", "nothing listens"), ("refused", "wrong password")]
    assert len(run.pauses) == 7


def test_a_connection_without_a_single_frame_counts_as_refused() -> None:
    assert Run(FakeSource([], error=SourceLost("silent"))).news == [("refused", "silent")]


def test_each_connection_after_trouble_is_a_reconnect() -> None:
    run = Run(
        FakeSource([frame(1, epoch="a")], epoch="a", error=SourceLost("it broke")),
        SourceLost("nothing listens"),
        FakeSource([frame(1, epoch="b")], epoch="b", error=SourceLost("it broke")),
    )
    assert [kind for kind, _ in run.news] == ["connected", "lost", "refused", "connected", "lost"]
    assert run.feed.stats.reconnects == 1
    assert [seen.id.epoch for seen in run.frames] == ["a", "b"]


def test_a_file_played_as_a_camera_starts_over_at_once() -> None:
    sources = [FakeSource([frame(1, epoch=name)], epoch=name) for name in "abc"]
    run = Run(*sources, spec=camera("file.mp4"))
    assert [kind for kind, _ in run.news] == ["connected", "lost"] * 3
    assert run.pauses == [0.0] * 3
    assert run.feed.stats.reconnects == 0
    assert all(source.closed for source in sources)


def test_a_file_that_is_not_video_fails_for_good() -> None:
    run = Run(BadInput("not video"), spec=camera("file.mp4"))
    assert run.news == [("failed", "not video")]
    assert run.feed.stats.state == "failed"
    assert run.pauses == []


def test_after_an_error_nobody_thought_of_a_live_camera_is_tried_again_and_its_password_is_not_told() -> None:
    broken = FakeSource([frame(1)], error=ZeroDivisionError("at rtsp://joe:s3cret@camera/"))
    run = Run(broken, FakeSource([frame(1, epoch="f")], epoch="f", error=SourceLost("it broke")))
    assert run.news[1] == ("lost", "unexpected ZeroDivisionError: at rtsp://***@camera/")
    assert [kind for kind, _ in run.news] == ["connected", "lost", "connected", "lost"]
    assert broken.closed


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    run = Run(FakeSource([frame(k) for k in range(1, 11)], error=SourceLost("it broke")))
    assert [seen.id.seq for seen in run.frames] == [10]
    assert (run.feed.stats.decoded, run.feed.stats.skipped) == (10, 9)


def test_a_still_scene_is_counted_and_kept_alive_twice_a_second() -> None:
    taken: list[Frame | FeedEvent] = []
    feed: CameraFeed

    class TakenAtOnce(FakeSource):
        def frames(self):
            for each in super().frames():
                yield each
                taken.extend(feed.take(10))
            feed.close()

    source = TakenAtOnce([frame(k) for k in range(1, 101)])
    feed = CameraFeed(camera(), bell=threading.Event(), clock_ns=lambda: NOW_NS, open_source=Opener(source))
    feed.run()
    frames = [item for item in taken if isinstance(item, Frame)]
    moving = [seen for seen in frames if not seen.still]
    still = [seen for seen in frames if seen.still]
    assert [seen.id.seq for seen in moving] == list(range(1, 26))
    assert 5 <= len(still) <= 7
    assert feed.stats.still == 75
    assert feed.stats.skipped == 0


def recorded_feed(opener: Opener, *, start_seq: int = 1, detect_fps: float | None = None) -> CameraFeed:
    spec = camera("file.mp4", playback="recorded", detect_fps=detect_fps)
    return CameraFeed(spec, bell=threading.Event(), start_seq=start_seq, clock_ns=lambda: NOW_NS, open_source=opener)


def test_a_recording_ends_with_the_time_of_its_last_frame() -> None:
    feed = recorded_feed(Opener(FakeSource([frame(1), frame(2)])))
    feed.run()
    connected, *frames, ended = feed.take(10)
    assert isinstance(connected, FeedEvent)
    assert isinstance(ended, FeedEvent)
    assert len(frames) == 2
    assert (connected.kind, connected.occurred_ns) == ("connected", 0)
    assert (ended.kind, ended.occurred_ns) == ("ended", FRAME_NS)
    assert feed.stats.state == "ended"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(SourceLost("disk failed"), "disk failed"), (ZeroDivisionError("a bug"), "unexpected ZeroDivisionError: a bug")],
)
def test_a_recording_that_cannot_be_read_on_fails_instead_of_ending(error: Exception, reason: str) -> None:
    feed = recorded_feed(Opener(FakeSource([frame(1)], error=error)))
    feed.run()
    last = feed.take(10)[-1]
    assert isinstance(last, FeedEvent)
    assert (last.kind, last.reason) == ("failed", reason)
    assert feed.stats.state == "failed"


@pytest.mark.parametrize("detect_fps", [None, 8.0, 10.0])
@pytest.mark.parametrize("start_seq", [2, 3, 4, 6])
def test_a_resumed_recording_gives_the_frames_of_an_undisturbed_run(detect_fps: float | None, start_seq: int) -> None:
    def seqs(first: int) -> list[int]:
        opener = Opener(FakeSource([frame(k) for k in range(max(1, first - 1), 7)]))
        feed = recorded_feed(opener, start_seq=first, detect_fps=detect_fps)
        feed.run()
        assert opener.start_seqs == [max(1, first - 1)]
        return [item.id.seq for item in feed.take(100) if isinstance(item, Frame)]

    assert seqs(start_seq) == [seq for seq in seqs(1) if seq >= start_seq]


def test_a_recording_waits_for_its_taker_and_drops_nothing() -> None:
    feed = recorded_feed(Opener(FakeSource([frame(k) for k in range(1, 101)])))
    feed.start()
    items: list[Frame | FeedEvent] = []
    while not (items and isinstance(items[-1], FeedEvent) and items[-1].kind == "ended"):
        ready = feed.take(100)
        assert len(ready) <= RECORDED_FRAMES_AHEAD
        items += ready
    assert [item.id.seq for item in items if isinstance(item, Frame)] == list(range(1, 101))
    assert feed.stats.skipped == 0
    feed.close()


def test_closing_ends_a_feed_that_waits_for_its_taker() -> None:
    feed = recorded_feed(Opener(FakeSource([frame(k) for k in range(1, 101)])))
    feed.start()
    feed.close()
    assert feed.take(100) == []
    assert feed.stats.state == "closed"


def test_backoff_grows_to_its_cap_with_full_jitter_and_starts_anew_when_it_went_well() -> None:
    backoff = Backoff()
    waits = [backoff.next_s() for _ in range(200)]
    assert waits[0] <= FIRST_S
    assert waits[1] <= 2 * FIRST_S
    assert max(waits) <= CAP_S
    assert max(waits) > 0.8 * CAP_S
    assert min(waits[10:]) < 0.2 * CAP_S
    backoff.reset()
    assert backoff.next_s() <= FIRST_S
