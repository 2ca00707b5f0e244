"""The queue between a camera's thread and its worker."""

from actors.capture.feed_queue import FeedEvent, FeedQueue
from schema.events import Frame
from tests.unit.fake_camera import frame


def event(kind: str = "connected") -> FeedEvent:
    return FeedEvent(kind=kind, epoch="e", occurred_ns=0)  # type: ignore[arg-type]


def live() -> FeedQueue:
    return FeedQueue(newest_wins=True, capacity=8)


def test_items_come_in_the_order_they_were_put() -> None:
    queue = FeedQueue(newest_wins=False, capacity=8)
    items = [event(), frame(1), frame(2), event("ended")]
    for item in items:
        queue.put(item)
    assert queue.take(3) == items[:3]
    assert queue.take(3) == items[3:]
    assert queue.take(3) == []


def test_events_are_kept_when_a_frame_gives_way() -> None:
    queue = live()
    for item in (event(), frame(1), event("lost"), event(), frame(2, epoch="f")):
        queue.put(item)
    kinds = [item.id.seq if isinstance(item, Frame) else item.kind for item in queue.take(10)]
    assert kinds == ["connected", "lost", "connected", 2]
    assert queue.skipped == 1


def test_a_still_frame_that_takes_the_place_of_a_change_is_looked_at() -> None:
    queue = live()
    queue.put(frame(1))
    queue.put(frame(2, still=True))
    (taken,) = queue.take(10)
    assert isinstance(taken, Frame)
    assert (taken.id.seq, taken.still) == (2, False)


def test_a_still_frame_that_gives_way_is_no_loss() -> None:
    queue = live()
    queue.put(frame(1, still=True))
    queue.put(frame(2, still=True))
    assert queue.take(10) == [frame(2, still=True)]
    assert queue.skipped == 0


def test_after_closing_nothing_is_kept() -> None:
    queue = live()
    queue.put(frame(1))
    queue.close()
    queue.put(event("lost"))
    assert queue.take(10) == []
