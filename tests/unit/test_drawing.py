"""What is drawn over a picture, told by its colours."""

import numpy as np

from cluster.video.count import Counted
from cluster.video.drawing import Painter
from schema.events import Crossing, Frame, FrameId, Track, crossing_id
from schema.geometry import Line, Point, Scene, Zone
from tests.unit.test_looking import Grey

WIDTH, HEIGHT = 640, 480
GREEN = np.array([74, 222, 128])


def frame(now_ns: int) -> Frame:
    return Frame(id=FrameId(camera_id=1, epoch="e", seq=1), captured_ns=now_ns, picture=Grey(0))


def door(*, flip: bool = False) -> Line:
    return Line(name="door", a=Point(x=0.5, y=0.0), b=Point(x=0.5, y=1.0), flip=flip)


def crossing(now_ns: int) -> Crossing:
    return Crossing(
        event_id=crossing_id(camera_id=1, epoch="e", track_id=1, rule="door", version=1, ordinal=0),
        camera_id=1,
        epoch="e",
        track_id=1,
        kind="line",
        rule="door",
        rule_id=0,
        direction="in",
        ordinal=0,
        frame=1,
        occurred_ns=now_ns,
        confirmed_ns=now_ns,
        confidence=0.9,
        x=0.5,
        y=0.8,
    )


def paint(painter: Painter, now_ns: int = 0, tracks=(), crossings=()) -> np.ndarray:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    painter.paint(picture, Counted(frame=frame(now_ns), tracks=tuple(tracks), crossings=tuple(crossings)))
    return picture


def green_columns(picture: np.ndarray) -> np.ndarray:
    """Columns in which the arrow's green is, at its height: three quarters down the line."""
    middle = picture[HEIGHT * 3 // 4 - 10 : HEIGHT * 3 // 4 + 10].astype(int)
    return np.flatnonzero((np.abs(middle - GREEN).sum(axis=2) < 20).any(axis=0))


def test_the_arrow_of_a_line_from_top_to_bottom_points_to_screen_left():
    columns = green_columns(paint(Painter(Scene(lines=(door(),)), WIDTH, HEIGHT)))
    assert columns.max() <= WIDTH // 2 + 5
    assert columns.min() < WIDTH // 2 - 20


def test_the_arrow_of_a_flipped_line_points_the_other_way():
    columns = green_columns(paint(Painter(Scene(lines=(door(flip=True),)), WIDTH, HEIGHT)))
    assert columns.min() >= WIDTH // 2 - 5
    assert columns.max() > WIDTH // 2 + 20


def test_a_line_flashes_when_it_is_crossed_and_calms_down():
    painter = Painter(Scene(lines=(door(),)), WIDTH, HEIGHT)
    calm = paint(painter)[HEIGHT - 20, WIDTH // 2]
    flash = paint(painter, 1_000_000_000, crossings=[crossing(1_000_000_000)])[HEIGHT - 20, WIDTH // 2]
    after = paint(painter, 3_000_000_000)[HEIGHT - 20, WIDTH // 2]
    np.testing.assert_array_equal(flash, GREEN)
    np.testing.assert_array_equal(calm, after)
    assert (calm != flash).any()


def test_only_people_in_this_frame_are_drawn():
    painter = Painter(Scene(lines=(door(),)), WIDTH, HEIGHT)
    lost = Track(track_id=1, box=(0.7, 0.6, 0.8, 0.9), score=0.9, seen_ns=0)
    there = Track(track_id=2, box=(0.1, 0.6, 0.2, 0.9), score=0.9, seen_ns=5_000_000_000)
    picture = paint(painter, 5_000_000_000, tracks=[lost, there])
    assert picture[int(0.75 * HEIGHT), : WIDTH // 3].any()
    assert not picture[int(0.75 * HEIGHT), WIDTH // 2 + 20 :].any()


def test_a_zone_is_tinted_inside():
    zone = Zone(name="hall", polygon=(Point(x=0.6, y=0.6), Point(x=0.9, y=0.6), Point(x=0.9, y=0.9)))
    picture = paint(Painter(Scene(zones=(zone,)), WIDTH, HEIGHT))
    assert picture[int(0.7 * HEIGHT), int(0.85 * WIDTH)].any()
    assert not picture[int(0.7 * HEIGHT), int(0.3 * WIDTH)].any()
