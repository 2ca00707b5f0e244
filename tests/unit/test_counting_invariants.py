"""What must hold for any walk: symmetries of the picture, independence of cameras, exactness of sums."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.counting.buckets import buckets
from actors.counting.session import CountingSession
from schema.events import Bucket, Crossing, Detections, Observation, Totals
from schema.geometry import Point, Scene
from tests.unit.walkers import Person, count, film, legs, line, zone

inner = st.floats(0.15, 0.85)
walk = st.lists(st.tuples(inner, inner), min_size=2, max_size=4).map(
    lambda stops: legs(*((2.0 * k, x, y) for k, (x, y) in enumerate(stops)))
)
person = st.builds(
    Person,
    path=walk,
    noise=st.sampled_from([0.0, 0.03, 0.08]),
    height=st.sampled_from([0.1, 0.2]),
    score=st.sampled_from([0.3, 0.6, 0.9]),
)
crowd = st.lists(person, min_size=1, max_size=3)
seeds = st.integers(0, 1000)
SECONDS = 6
SCENE = Scene(
    lines=(line(0.5, 0.2, 0.5, 0.9), line(0.2, 0.3, 0.8, 0.7, name="slope")),
    zones=(zone((0.3, 0.3), (0.7, 0.4), (0.6, 0.8), (0.25, 0.7)),),
)
quick = settings(max_examples=20, deadline=None)


@quick
@given(people=crowd, seed=seeds)
def test_reversing_a_line_swaps_in_and_out(people: list[Person], seed: int):
    frames = film(people, seconds=SECONDS, seed=seed, fps=7)
    there = count(Scene(lines=SCENE.lines), frames)
    swapped = Scene(lines=tuple(replace(each, a=each.b, b=each.a) for each in SCENE.lines))
    flipped = Scene(lines=tuple(replace(each, flip=True) for each in SCENE.lines))
    other = {"in": "out", "out": "in"}
    expected = [(c.rule, other[c.direction], c.frame, c.undoes) for c in there]
    assert [(c.rule, c.direction, c.frame, c.undoes) for c in count(swapped, frames)] == expected
    assert [(c.rule, c.direction, c.frame, c.undoes) for c in count(flipped, frames)] == expected


@quick
@given(people=crowd, seed=seeds, dx=st.floats(-0.1, 0.1), dy=st.floats(-0.1, 0.1))
def test_moving_scene_and_line_together_changes_nothing(people: list[Person], seed: int, dx: float, dy: float):
    def shifted(p: Point) -> Point:
        return Point(x=p.x + dx, y=p.y + dy)

    frames = film(people, seconds=SECONDS, seed=seed, fps=7)
    moved = [
        replace(
            each,
            detections=replace(each.detections, boxes=each.detections.boxes + np.array([dx, dy, dx, dy])),
        )
        for each in frames
    ]
    scene = Scene(
        lines=tuple(replace(each, a=shifted(each.a), b=shifted(each.b)) for each in SCENE.lines),
        zones=tuple(replace(each, polygon=tuple(map(shifted, each.polygon))) for each in SCENE.zones),
    )
    assert [_what(c) for c in count(SCENE, frames)] == [_what(c) for c in count(scene, moved)]


@quick
@given(crowds=st.lists(crowd, min_size=2, max_size=3), seed=seeds)
def test_cameras_side_by_side_count_to_the_last_bit_like_each_alone(crowds: list[list[Person]], seed: int):
    films = [
        film(people, seconds=SECONDS, seed=seed + k, fps=(5, 7, 10)[k % 3], camera_id=k, start_ns=k * 1_000)
        for k, people in enumerate(crowds)
    ]
    together, alone = CountingSession(), [CountingSession() for _ in films]
    for k in range(len(films)):
        together.open(k, "e", SCENE if k % 2 else Scene(lines=SCENE.lines))
        alone[k].open(k, "e", SCENE if k % 2 else Scene(lines=SCENE.lines))
    found: list[Crossing] = []
    ahead = [list(frames) for frames in films]
    random = np.random.default_rng(seed)
    while any(ahead):
        turn = [k for k in range(len(films)) if ahead[k] and random.random() < 0.7]
        found += together.advance([ahead[k].pop(0) for k in turn])
    for k, frames in enumerate(films):
        expected = [c for frame in frames for c in alone[k].advance([frame])]
        assert [c for c in found if c.camera_id == k] == expected
        assert together.tracks(k) == alone[k].tracks(k)
        assert together.snapshot(k) == alone[k].snapshot(k)


@quick
@given(people=crowd, seed=seeds, cuts=st.lists(st.integers(0, 30), max_size=6), order=st.randoms())
def test_batching_and_flush_boundaries_never_change_totals(
    people: list[Person], seed: int, cuts: list[int], order: Random
):
    crossings = count(SCENE, film(people, seconds=SECONDS, seed=seed, fps=7, start_ns=56_000_000_000))
    edges = [0, *sorted(min(cut, len(crossings)) for cut in cuts), len(crossings)]
    flushes = [crossings[a:b] for a, b in pairwise(edges)]
    order.shuffle(flushes)
    sums: dict[tuple[int, int, int], Totals] = {}
    for flush in flushes:
        for bucket in buckets(flush):
            key = (bucket.camera_id, bucket.rule_id, bucket.minute_ns)
            sums[key] = sums.get(key, Totals()) + bucket.totals
    pieces = [Bucket(camera_id=a, rule_id=b, minute_ns=c, totals=sums[a, b, c]) for a, b, c in sorted(sums)]
    assert pieces == buckets(crossings)


@quick
@given(people=crowd, seed=seeds)
def test_frames_without_people_in_between_change_nothing(people: list[Person], seed: int):
    """A detector may skip frames: what counts is when people were seen, not how many frames there were."""
    frames = film(people, seconds=SECONDS, seed=seed, fps=7)
    nobody = Detections.none("m@1")
    between: list[Observation] = []
    for each in frames:
        between += [each, replace(each, captured_ns=each.captured_ns + 50_000_000, detections=nobody)]
    assert [_what(c) for c in count(SCENE, between)] == [_what(c) for c in count(SCENE, frames)]


def _what(crossing: Crossing) -> tuple[object, ...]:
    return (crossing.rule, crossing.direction, crossing.cause, crossing.frame, crossing.track_id, crossing.undoes)
