"""The counting session's state: its end, its edit while running, and its snapshot."""

from dataclasses import replace

import pytest

from actors.counting.session import CountingSession
from schema.geometry import Scene
from tests.unit.walkers import DOOR, HALL, Person, count, film, legs, line, ways

TO_AND_FRO = legs((0, 0.7, 0.6), (4, 0.3, 0.6), (8, 0.7, 0.6))
BOTH = Scene(lines=DOOR.lines, zones=HALL.zones)
CROWD = [
    Person(path=TO_AND_FRO, noise=0.03),
    Person(path=legs((0.5, 0.1, 0.8), (7, 0.9, 0.7)), noise=0.05, height=0.25),
    Person(path=legs((1, 0.9, 0.5), (5, 0.45, 0.85), (8, 0.1, 0.9)), noise=0.05, score=0.6),
    Person(path=legs((3.95, 0.49, 0.9), (5, 0.3, 0.9)), noise=0.02),
]


def test_memory_ends_with_the_track():
    session = CountingSession()
    session.open(1, "e", BOTH)
    for frame in film(CROWD, seconds=12):
        session.advance([frame])
    assert session.tracks(1) == []
    empty = CountingSession()
    empty.open(1, "e", BOTH)
    for frame in film([], seconds=12):
        empty.advance([frame])
    assert len(session.snapshot(1)) == pytest.approx(len(empty.snapshot(1)), abs=8)


def test_a_closed_camera_leaves_nothing_behind():
    session = CountingSession()
    for camera in range(1, 6):
        session.open(camera, "e", BOTH)
        session.advance(film(CROWD, seconds=0.1, camera_id=camera))
    for camera in (2, 5, 1, 4, 3):
        session.close(camera)
        with pytest.raises(KeyError):
            session.tracks(camera)
    assert vars(session)["_slots"] == []
    assert len(vars(session)["_tracker"].rows) == 0


def test_other_cameras_go_on_when_one_is_closed_and_another_takes_its_place():
    frames = film(CROWD, seconds=8, camera_id=2)
    alone = CountingSession()
    alone.open(2, "e", BOTH)
    expected = [crossing for frame in frames for crossing in alone.advance([frame])]
    session = CountingSession()
    session.open(1, "e", DOOR)
    session.open(2, "e", BOTH)
    crossings = []
    for k, frame in enumerate(frames):
        if k == 30:
            session.close(1)
        if k == 50:
            session.open(3, "e", HALL)
        crossings += session.advance([frame])
    assert crossings == expected


@pytest.mark.parametrize("cut", [1, 3, 19, 40, 41, 42, 60, 79])
def test_going_on_from_a_snapshot_equals_never_having_stopped(cut: int):
    frames = film(CROWD, seconds=10)
    session = CountingSession()
    session.open(1, "e", BOTH)
    crossings = [crossing for frame in frames[:cut] for crossing in session.advance([frame])]
    state = session.snapshot(1)
    resumed = CountingSession()
    resumed.open(7, "e", HALL)
    resumed.open(1, "e", BOTH, state)
    assert resumed.snapshot(1) == state
    crossings += [crossing for frame in frames[cut:] for crossing in resumed.advance([frame])]
    assert crossings + resumed.close(1) == count(BOTH, frames)
    assert len(crossings) >= 6


def test_a_snapshot_of_something_else_is_refused():
    session = CountingSession()
    session.open(1, "e", DOOR)
    state = session.snapshot(1)
    with pytest.raises(ValueError, match="camera 1, epoch e"):
        session.open(2, "e", DOOR, state)
    with pytest.raises(ValueError, match="camera 1, epoch e"):
        session.open(1, "f", DOOR, state)
    with pytest.raises(ValueError, match="not a counting snapshot"):
        session.open(1, "e", DOOR, b"nonsense")
    with pytest.raises(ValueError, match="not a counting snapshot"):
        session.open(1, "e", DOOR, state[: len(state) // 2])
    assert session.tracks(1) == []


def test_an_edit_keeps_the_state_of_rules_that_did_not_change():
    frames = film([Person(path=TO_AND_FRO)], seconds=8)
    session = CountingSession()
    session.open(1, "e", DOOR)
    crossings = []
    for k, frame in enumerate(frames):
        if k == 19:  # just before the line
            session.set_scene(1, Scene(lines=(line(0.9, 0, 0.9, 1, name="new"), *DOOR.lines)))
        if k == 50:
            session.set_scene(1, DOOR)
        crossings += session.advance([frame])
    assert crossings == count(DOOR, frames)


def test_a_new_version_of_a_line_starts_from_where_people_are_now():
    frames = film([Person(path=TO_AND_FRO)], seconds=8)
    session = CountingSession()
    session.open(1, "e", DOOR)
    crossings = []
    for k, frame in enumerate(frames):
        if k == 30:
            session.set_scene(1, Scene(lines=(replace(DOOR.lines[0], version=2),)))
        crossings += session.advance([frame])
    first, second = crossings
    assert (ways(crossings), second.undoes, second.ordinal) == (["in", "out"], None, 0)
    assert first.event_id != second.event_id


def test_people_in_a_zone_that_is_removed_are_lost_from_it():
    session = CountingSession()
    session.open(1, "e", HALL)
    for frame in film([Person(path=legs((0, 0.2, 0.6), (4, 0.6, 0.6), (8, 0.6, 0.6)))], seconds=6):
        session.advance([frame])
    (lost,) = session.set_scene(1, DOOR)
    assert (lost.rule, lost.cause, lost.direction) == ("hall", "lost", "out")
    assert session.close(1) == []


def test_tracks_tell_where_confirmed_people_are():
    session = CountingSession()
    session.open(1, "e", DOOR)
    frames = film([Person(path=legs((0, 0.5, 0.6), (4, 0.5, 0.6)))], seconds=1)
    for frame in frames:
        session.advance([frame])
    (track,) = session.tracks(1)
    assert track.box == pytest.approx(frames[-1].detections.boxes[0].tolist(), abs=1e-3)
    assert (track.track_id, track.seen_ns) == (1, frames[-1].captured_ns)
    assert track.score == pytest.approx(0.9)
