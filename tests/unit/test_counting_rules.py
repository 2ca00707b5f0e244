"""The six rules of counting that others get wrong, and what follows from them."""

import numpy as np
import pytest

from actors.counting.session import CountingSession
from schema.events import Detections, FrameId, Observation
from schema.geometry import Scene
from tests.unit.walkers import DOOR, Person, count, film, hidden, jittering, legs, line, ways

ACROSS = legs((0, 0.8, 0.6), (6, 0.2, 0.6))
BACK = legs((0, 0.2, 0.6), (6, 0.8, 0.6))
TO_AND_FRO = legs((0, 0.7, 0.6), (4, 0.3, 0.6), (8, 0.7, 0.6))


def test_a_walk_from_right_to_left_over_a_line_drawn_downwards_is_in():
    (crossing,) = count(DOOR, film([Person(path=ACROSS)], seconds=6))
    assert crossing.direction == "in"
    assert crossing.kind == "line"
    assert crossing.cause == "crossed"
    assert (crossing.rule, crossing.track_id, crossing.ordinal, crossing.model) == ("door", 1, 0, "m@1")
    assert crossing.frame == pytest.approx(31, abs=2)
    assert crossing.occurred_ns == round((crossing.frame - 1) / 10 * 1e9)
    assert crossing.confirmed_ns > crossing.occurred_ns
    assert (crossing.x, crossing.y) == pytest.approx((0.5, 0.6), abs=0.03)
    assert crossing.confidence == pytest.approx(0.9)


def test_a_walk_the_other_way_is_out_and_flip_swaps_the_two():
    assert ways(count(DOOR, film([Person(path=BACK)], seconds=6))) == ["out"]
    flipped = Scene(lines=(line(0.5, 0, 0.5, 1, flip=True),))
    assert ways(count(flipped, film([Person(path=BACK)], seconds=6))) == ["in"]


# 1. Hysteresis


@pytest.mark.parametrize("amplitude", [0.005, 0.01])
@pytest.mark.parametrize("x", [0.495, 0.5, 0.503])
def test_a_person_who_lingers_on_the_line_counts_zero(x: float, amplitude: float):
    assert count(DOOR, film([Person(path=jittering(x, 0.6, amplitude), noise=0.03)], seconds=20)) == []


def test_a_person_who_comes_to_the_line_jitters_on_it_and_goes_back_counts_zero():
    path = legs((0, 0.7, 0.6), (3, 0.5, 0.6), (10, 0.5, 0.6), (13, 0.7, 0.6))
    assert count(DOOR, film([Person(path=path, noise=0.03)], seconds=13)) == []


def test_a_person_who_jitters_on_the_line_and_walks_on_counts_once():
    path = legs((0, 0.7, 0.6), (3, 0.5, 0.6), (10, 0.5, 0.6), (13, 0.3, 0.6))
    assert ways(count(DOOR, film([Person(path=path, noise=0.03)], seconds=13))) == ["in"]


def test_walking_round_the_end_of_a_line_does_not_count():
    short = Scene(lines=(line(0.5, 0.1, 0.5, 0.4),))
    assert count(short, film([Person(path=ACROSS)], seconds=6)) == []


def test_the_end_of_a_line_counts_by_where_the_path_met_it_not_by_where_it_was_confirmed():
    short = Scene(lines=(line(0.5, 0.3, 0.5, 0.6),))
    through_then_down = legs((0, 0.7, 0.5), (3, 0.49, 0.5), (5, 0.46, 0.8), (6, 0.3, 0.8))
    assert ways(count(short, film([Person(path=through_then_down)], seconds=6))) == ["in"]
    below_then_up = legs((0, 0.7, 0.8), (3, 0.49, 0.8), (5, 0.46, 0.5), (6, 0.3, 0.5))
    assert count(short, film([Person(path=below_then_up)], seconds=6)) == []


def test_a_rule_may_follow_the_middle_of_the_body():
    head_high = Scene(lines=(line(0, 0.5, 1, 0.5, name="foot"), line(0, 0.5, 1, 0.5, name="body", anchor="center")))
    down = legs((0, 0.5, 0.3), (5, 0.5, 0.58))
    assert [c.rule for c in count(head_high, film([Person(path=down)], seconds=5))] == ["foot"]


# 2. Gaps


@pytest.mark.parametrize("gap_s", [0.2, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("fps", [5, 10, 30])
def test_a_person_lost_while_crossing_counts_once(gap_s: float, fps: float):
    path = hidden(ACROSS, 3 - gap_s / 2, 3 + gap_s / 2)
    crossings = count(DOOR, film([Person(path=path)], seconds=6, fps=fps))
    assert ways(crossings) == ["in"]
    assert {crossing.track_id for crossing in crossings} == {1}


def test_weak_detections_keep_a_person_who_was_seen_clearly_before():
    strong, weak = Person(path=legs((0, 0.8, 0.6), (2, 0.6, 0.6))), Person(path=legs((2.1, 0.59, 0.6), (6, 0.2, 0.6)))
    frames = film([strong, Person(path=weak.path, score=0.2)], seconds=6)
    assert ways(count(DOOR, frames)) == ["in"]


# 3. U-turns


def test_a_person_who_turns_round_counts_both_ways_and_the_second_undoes_the_first():
    there, back = count(DOOR, film([Person(path=TO_AND_FRO)], seconds=8))
    assert ways([there, back]) == ["in", "out"]
    assert there.track_id == back.track_id
    assert (there.ordinal, back.ordinal) == (0, 1)
    assert there.undoes is None
    assert (back.undoes, back.undoes_ns) == (there.event_id, there.occurred_ns)


def test_a_return_after_the_u_turn_time_stands_for_itself():
    patient = Scene(lines=(line(0.5, 0, 0.5, 1, u_turn_s=3),))
    there, back = count(patient, film([Person(path=TO_AND_FRO)], seconds=8))
    assert (there.undoes, back.undoes) == (None, None)


def test_to_and_fro_and_to_again_leaves_one_effective_crossing():
    path = legs((0, 0.7, 0.6), (3, 0.3, 0.6), (6, 0.7, 0.6), (9, 0.3, 0.6))
    first, second, third = count(DOOR, film([Person(path=path)], seconds=9))
    assert (first.undoes, second.undoes, third.undoes) == (None, first.event_id, None)


# 4. Only confirmed tracks


def test_someone_seen_for_a_moment_does_not_count():
    flash = legs((0, 0.55, 0.6), (0.1, 0.45, 0.6))
    assert count(DOOR, film([Person(path=flash)], seconds=3)) == []


def test_weak_detections_alone_never_count():
    assert count(DOOR, film([Person(path=ACROSS, score=0.3)], seconds=6)) == []


def test_a_crossing_before_the_track_was_confirmed_counts_once_it_is():
    runner = legs((0, 0.54, 0.6), (2, 0.2, 0.6))
    (crossing,) = count(DOOR, film([Person(path=runner)], seconds=2, fps=10))
    assert crossing.frame <= 5
    assert crossing.confirmed_ns >= 250_000_000


def test_track_numbers_start_at_one_in_every_epoch():
    session = CountingSession()
    for epoch in ("first", "second"):
        session.open(1, epoch, DOOR)
        for frame in film([Person(path=ACROSS)], seconds=2, epoch=epoch):
            session.advance([frame])
        assert [track.track_id for track in session.tracks(1)] == [1]


def test_a_reconnect_starts_afresh_and_never_merges_tracks():
    session = CountingSession()
    session.open(1, "a", DOOR)
    for frame in film([Person(path=legs((0, 0.7, 0.6), (2, 0.55, 0.6)))], seconds=2, epoch="a"):
        assert session.advance([frame]) == []
    assert session.close(1) == []
    session.open(1, "b", DOOR)
    for frame in film([Person(path=legs((0, 0.45, 0.6), (2, 0.3, 0.6)))], seconds=2, epoch="b"):
        assert session.advance([frame]) == []


def test_a_frame_of_another_epoch_or_camera_is_refused():
    session = CountingSession()
    session.open(1, "a", DOOR)
    (frame,) = film([], seconds=0.1, epoch="b")
    with pytest.raises(ValueError, match="epoch a, not b"):
        session.advance([frame])
    (frame,) = film([], seconds=0.1, epoch="a")
    with pytest.raises(ValueError, match="twice"):
        session.advance([frame, frame])
    (frame,) = film([], seconds=0.1, epoch="a", camera_id=9)
    with pytest.raises(KeyError):
        session.advance([frame])


# 6. Seconds and box heights


@pytest.mark.parametrize("fps", [5, 7, 10, 15, 30])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_one_setting_serves_every_frame_rate(fps: float, noise: float):
    people = [Person(path=TO_AND_FRO, noise=noise), Person(path=legs((0, 0.2, 0.9), (8, 0.8, 0.9)), noise=noise)]
    crossings = count(DOOR, film(people, seconds=8, fps=fps))
    assert sorted((c.direction, round(c.occurred_ns / 1e9)) for c in crossings) == [("in", 2), ("out", 4), ("out", 6)]


@pytest.mark.parametrize("height", [0.05, 0.1, 0.4])
def test_one_setting_serves_near_and_far_people(height: float):
    stride = height / 0.2
    path = legs((0, 0.5 + 0.2 * stride, 0.6), (4, 0.5 - 0.2 * stride, 0.6))
    assert ways(count(DOOR, film([Person(path=path, height=height, noise=0.03)], seconds=4))) == ["in"]


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_a_runner_is_followed_at_five_frames_a_second(fps: float):
    run = legs((0, 0.95, 0.6), (2.4, 0.05, 0.6))  # 2.5 body heights a second
    assert ways(count(DOOR, film([Person(path=run)], seconds=3, fps=fps))) == ["in"]


def test_boxes_that_make_no_sense_are_left_out():
    frames = film([Person(path=ACROSS)], seconds=6)
    broken = np.array([[0.5, 0.5, 0.5, 0.6], [np.nan, 0, 1, 1], [0.6, 0.6, 0.5, 0.5], [0, 0, np.inf, 1]], np.float32)
    spoilt = [
        Observation(
            frame=FrameId(camera_id=1, epoch="e", seq=each.frame.seq),
            captured_ns=each.captured_ns,
            width_px=each.width_px,
            height_px=each.height_px,
            detections=Detections(
                boxes=np.concatenate([broken, each.detections.boxes]),
                scores=np.concatenate([np.full(4, 0.9, np.float32), each.detections.scores]),
                model="m@1",
            ),
        )
        for each in frames
    ]
    assert count(DOOR, spoilt) == count(DOOR, frames)


@pytest.mark.parametrize(("fps", "speed"), [(5, 0.5), (5, 1.0), (10, 1.0), (10, 1.5), (30, 1.0), (30, 1.5)])
def test_whoever_turns_on_the_heel_stays_the_same_person(fps: float, speed: float):
    """``speed`` is in body heights a second, before and after the turn."""
    stride = speed * 3 * 0.2 * 0.75  # three seconds each way, of the picture's width
    path = legs((0, 0.5, 0.6), (3, 0.5 + stride, 0.6), (6, 0.5, 0.6))
    session = CountingSession()
    session.open(1, "e", Scene())
    for frame in film([Person(path=path)], seconds=6, fps=fps):
        session.advance([frame])
    assert [track.track_id for track in session.tracks(1)] == [1]
