"""Each crossing has a picture that shows its person, and the way that the person came."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from actors.capture.feed import FeedEvent
from actors.worker.books import Books
from actors.worker.looks import Look
from actors.worker.pictures import LONGEST_PX, POINTS, Pictures
from actors.worker.watch import Watch
from schema.camera import CameraSpec
from schema.events import Crossing, Detections, Frame, FrameId
from schema.evidence import Evidence
from schema.geometry import Scene, parse_line, parse_zone
from schema.work import Assignment

RED = (255, 0, 0)
DOOR = Scene(lines=(replace(parse_line("door=0.5,0,0.5,1"), id=7),))
HALL = Scene(zones=(replace(parse_zone("hall=0.3,0.2,0.7,0.2,0.7,1,0.3,1"), id=8),))


MS = 1_000_000


@dataclass(frozen=True)
class RedPerson:
    """A grey picture with a red person in it."""

    box: tuple[float, float, float, float] | None
    width: int
    height: int
    broken: bool

    def cut(self, area, width, height):
        if self.broken:
            raise ValueError("no such colours")
        whole = np.full((self.height, self.width, 3), 120, np.uint8)
        if self.box:
            left, top, right, bottom = self.box
            rows = slice(round(top * self.height), round(bottom * self.height))
            whole[rows, round(left * self.width) : round(right * self.width)] = RED
        left, top, right, bottom = area
        return cv2.resize(whole[top:bottom, left:right], (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What a walk from left to right led to."""

    boxes: dict[int, tuple[float, float, float, float]]
    crossings: list[Crossing]
    evidence: list[Evidence]
    pictures: Pictures

    def box_at(self, seen_ns):
        return self.boxes[seen_ns]


def walk(
    scene,
    *,
    until_x=0.8,
    more_frames=0,
    then_lost=False,
    width=640,
    height=480,
    broken=False,
    with_pictures=True,
    **camera,
):
    """Ten frames a second of someone 0.1 wide and 0.3 tall who starts at 0.2, as a worker counts them."""
    evidence = []
    pictures = Pictures(evidence.append)
    books = Books(lambda: 0, pictures if with_pictures else None)
    spec = CameraSpec(id=1, name="c", source="x", scene=scene, detect_fps=None, **camera)
    watch = Watch(Assignment(spec=spec, lease_epoch=1), SimpleNamespace())
    books.watches[1] = watch
    boxes = {}
    xs = [*np.arange(0.2, until_x, 0.02), *([None] * more_frames)]
    for seq, x in enumerate(xs, start=1):
        captured_ns = 1000 * 10**9 + seq * 100 * MS
        box = None if x is None else (x - 0.05, 0.4, x + 0.05, 0.7)
        boxes[captured_ns] = box
        found = Detections.none("walker")
        if box:
            found = Detections(boxes=np.array([box], np.float32), scores=np.array([0.9], np.float32), model="walker")
        picture = RedPerson(box, width, height, broken)
        frame = Frame(id=FrameId(camera_id=1, epoch="e", seq=seq), captured_ns=captured_ns, picture=picture)
        books.apply(look([(watch, frame)], {0: found}))
    if then_lost:
        books.apply(look([(watch, FeedEvent(kind="lost", epoch="e", occurred_ns=captured_ns))], {}))
    books.let_go(watch)
    crossings = [crossing for delivery in books.unsaved for crossing in delivery.crossings]
    return Walk(boxes=boxes, crossings=crossings, evidence=evidence, pictures=pictures)


def look(items, found):
    answer = Future()
    answer.set_result(found)
    return Look(items=items, answer=answer)


def share_of_red(jpeg: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    blue, green, red = image.astype(int).transpose(2, 0, 1)
    return float(((red > 150) & (green < 100) & (blue < 100)).mean())


def test_a_crossing_of_a_line_is_shown_in_the_frame_that_made_it_certain():
    walked = walk(DOOR)
    (crossing,) = walked.crossings
    (evidence,) = walked.evidence
    assert (evidence.event_id, evidence.occurred_ns) == (crossing.event_id, crossing.occurred_ns)
    assert evidence.seen_ns == crossing.confirmed_ns
    assert evidence.box == pytest.approx(walked.box_at(evidence.seen_ns), abs=0.03)
    # A box of 0.1 by 0.3 in a picture of 640 by 480, with a margin of 22 pixels all around.
    assert share_of_red(evidence.jpeg) == pytest.approx(64 * 144 / (107 * 187), abs=0.1)


def test_the_trajectory_leads_over_the_line():
    (evidence,) = walk(DOOR).evidence
    xs = [point.x for point in evidence.trajectory]
    assert xs == sorted(xs)
    assert xs[0] < 0.4 < 0.5 < xs[-1]
    assert len(xs) <= POINTS
    at_the_line = min(evidence.trajectory, key=lambda point: abs(point.after_ms))
    assert at_the_line.x == pytest.approx(0.5, abs=0.05)
    assert at_the_line.y == pytest.approx(0.7, abs=0.02)


def test_who_is_lost_in_a_zone_is_shown_as_last_seen():
    walked = walk(HALL, until_x=0.55, more_frames=40)
    (entered, lost) = walked.crossings
    assert (entered.direction, lost.cause) == ("in", "lost")
    shown = {evidence.event_id: evidence for evidence in walked.evidence}
    evidence = shown[lost.event_id]
    assert lost.occurred_ns - 1_100_000_000 <= evidence.seen_ns <= lost.occurred_ns
    assert evidence.box == pytest.approx(walked.box_at(evidence.seen_ns), abs=0.03)
    assert share_of_red(evidence.jpeg) > 0.3
    assert evidence.trajectory[-1].x == pytest.approx(0.55, abs=0.03)


def test_who_is_in_a_zone_when_the_stream_ends_is_shown_too():
    walked = walk(HALL, until_x=0.55, then_lost=True)
    (_, lost) = walked.crossings
    assert lost.cause == "lost"
    assert {evidence.event_id for evidence in walked.evidence} == {crossing.event_id for crossing in walked.crossings}


def test_a_picture_is_at_most_so_large():
    (evidence,) = walk(DOOR, width=1920, height=1440).evidence
    image = cv2.imdecode(np.frombuffer(evidence.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert max(image.shape) == LONGEST_PX
    assert share_of_red(evidence.jpeg) > 0.3


def test_a_frame_that_cannot_be_cut_costs_its_picture_and_no_crossing():
    walked = walk(DOOR, broken=True)
    assert len(walked.crossings) == 1
    assert walked.evidence == []


def test_the_counts_are_the_same_with_and_without_pictures():
    assert walk(HALL, until_x=0.55).crossings == walk(HALL, until_x=0.55, with_pictures=False).crossings


def test_nothing_is_remembered_when_a_stream_has_ended():
    walked = walk(HALL, then_lost=True)
    assert walked.pictures._memories == {}


def test_a_camera_that_may_not_has_no_pictures():
    walked = walk(HALL, until_x=0.55, evidence=False)
    assert len(walked.crossings) == 2
    assert walked.evidence == []
