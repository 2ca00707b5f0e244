"""Zones: entries, exits, occupancy and dwell."""

import pytest

from actors.counting.buckets import totals_by_rule
from actors.counting.session import CountingSession
from schema.geometry import Scene
from tests.unit.walkers import HALL, Person, count, film, hidden, jittering, legs, ways, zone

THROUGH = legs((0, 0.2, 0.6), (4, 0.6, 0.6), (10, 0.6, 0.6), (14, 1.0, 0.6))
INTO = legs((0, 0.2, 0.6), (4, 0.6, 0.6), (8, 0.6, 0.6))


def test_a_visit_is_an_entry_and_an_exit_with_the_time_between():
    entry, leave = count(HALL, film([Person(path=THROUGH)], seconds=14))
    assert [(c.kind, c.direction, c.cause) for c in (entry, leave)] == [
        ("zone", "in", "crossed"),
        ("zone", "out", "crossed"),
    ]
    assert entry.dwell_s is None
    assert leave.dwell_s == pytest.approx((leave.occurred_ns - entry.occurred_ns) / 1e9, abs=1e-3)
    assert leave.dwell_s == pytest.approx(10, abs=0.5)


def test_whoever_is_inside_from_the_start_appeared():
    appeared, leave = count(HALL, film([Person(path=legs((1, 0.6, 0.6), (5, 0.6, 0.6), (9, 1.0, 0.6)))], seconds=9))
    assert (appeared.direction, appeared.cause, appeared.occurred_ns) == ("in", "appeared", 1_000_000_000)
    assert (leave.direction, leave.cause) == ("out", "crossed")
    assert leave.dwell_s == pytest.approx(6, abs=0.5)


def test_whoever_is_lost_inside_is_lost_when_last_seen():
    entry, lost = count(HALL, film([Person(path=INTO)], seconds=15))
    assert (entry.cause, lost.cause, lost.direction) == ("crossed", "lost", "out")
    assert lost.occurred_ns == 8_000_000_000
    assert lost.confirmed_ns >= lost.occurred_ns
    assert lost.dwell_s == pytest.approx(6, abs=0.3)


def test_the_end_of_the_epoch_loses_whoever_is_still_inside():
    entry, lost = count(HALL, film([Person(path=INTO)], seconds=6))
    assert (entry.direction, lost.cause, lost.occurred_ns) == ("in", "lost", 5_900_000_000)


def test_someone_unseen_for_a_moment_has_not_left():
    path = hidden(THROUGH, 5, 6.5)
    assert [c.cause for c in count(HALL, film([Person(path=path)], seconds=14))] == ["crossed", "crossed"]


def test_whoever_jitters_on_the_border_neither_comes_nor_goes():
    path = jittering(0.4, 0.6, 0.01)
    assert count(HALL, film([Person(path=path, noise=0.02)], seconds=10)) == []


def test_a_short_look_inside_is_a_u_turn():
    path = legs((0, 0.2, 0.6), (3, 0.5, 0.6), (6, 0.2, 0.6))
    entry, leave = count(HALL, film([Person(path=path)], seconds=6))
    assert leave.undoes == entry.event_id


def test_appearing_inside_is_no_crossing_that_could_be_undone():
    path = legs((0, 0.5, 0.6), (2, 0.5, 0.6), (4, 0.2, 0.6))
    appeared, leave = count(HALL, film([Person(path=path)], seconds=4))
    assert (appeared.cause, leave.cause, leave.undoes) == ("appeared", "crossed", None)


def test_occupancy_is_a_signed_sum_that_goes_below_zero_rather_than_lie():
    crossings = count(HALL, film([Person(path=THROUGH)], seconds=14))
    assert totals_by_rule(crossings)["hall"].occupancy_change == 0
    assert totals_by_rule(crossings[:1])["hall"].occupancy_change == 1
    assert totals_by_rule(crossings[1:])["hall"].occupancy_change == -1


def test_a_hollow_in_a_polygon_is_outside():
    horseshoe = zone((0.2, 0.2), (0.8, 0.2), (0.8, 0.9), (0.65, 0.9), (0.65, 0.4), (0.35, 0.4), (0.35, 0.9), (0.2, 0.9))
    up_the_hollow = legs((0, 0.5, 0.99), (8, 0.5, 0.5))
    assert count(Scene(zones=(horseshoe,)), film([Person(path=up_the_hollow)], seconds=8)) == []
    up_the_leg = legs((0, 0.275, 0.99), (8, 0.275, 0.5))
    crossings = count(Scene(zones=(horseshoe,)), film([Person(path=up_the_leg, height=0.1)], seconds=8))
    assert ways(crossings) == ["in", "out"]


def test_zones_of_cameras_with_different_scenes_do_not_mix():
    small = Scene(zones=(zone((0.1, 0.1), (0.2, 0.1), (0.15, 0.2), name="corner"),))
    session = CountingSession()
    session.open(1, "e", HALL)
    session.open(2, "e", small)
    session.open(3, "e", Scene())
    crossings = []
    films = [film([Person(path=THROUGH)], seconds=14, camera_id=camera) for camera in (1, 2, 3)]
    for frames in zip(*films, strict=True):
        crossings += session.advance(frames)
    assert {c.camera_id for c in crossings} == {1}
    assert ways(crossings) == ["in", "out"]
