"""The accuracy figures, on cases small enough to count by hand."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from actors.counting.accuracy import Accuracy, Score, evaluate, true_crossings
from schema.events import Crossing, Direction
from schema.geometry import Line
from schema.mot import MotFile, read_mot
from tests.unit.walkers import line

WIDTH, HEIGHT = 400, 200
MIDDLE = line(0.5, 0, 0.5, 1)
"""x = 200 px."""


def truth(folder: Path, *tracks: Sequence[float | None], bottom: float = 100, conf: int = 1) -> MotFile:
    """Tracks of people 40 px tall by the x of their feet in each frame; None is a frame in which they are missing."""
    rows = [
        f"{frame},{number},{x - 10},{bottom - 40},20,40,{conf}"
        for number, xs in enumerate(tracks, 1)
        for frame, x in enumerate(xs, 1)
        if x is not None
    ]
    (folder / "gt.txt").write_text("\n".join(rows))
    return read_mot(folder / "gt.txt")


def predicted(frame: int, direction: Direction = "in", rule: str = "door") -> Crossing:
    return Crossing(
        event_id=uuid4(),
        camera_id=1,
        epoch="e",
        track_id=1,
        kind="line",
        rule=rule,
        rule_id=0,
        direction=direction,
        ordinal=0,
        frame=frame,
        occurred_ns=0,
        confirmed_ns=0,
        confidence=1.0,
        x=0.5,
        y=0.5,
    )


def judge(found: Sequence[Crossing], mot: MotFile, *lines: Line, within_frames: int = 2) -> Accuracy:
    return evaluate(found, mot, lines or (MIDDLE,), width_px=WIDTH, height_px=HEIGHT, within_frames=within_frames)


def crossings(mot: MotFile, by: Line = MIDDLE) -> list[tuple[str, int, bool]]:
    return [(each.direction, each.frame, each.must) for each in true_crossings(mot, by, WIDTH, HEIGHT)]


def test_a_walk_to_the_left_is_in_at_the_first_frame_on_the_other_side(tmp_path: Path):
    assert crossings(truth(tmp_path, [230, 215, 205, 195, 185])) == [("in", 4, True)]
    assert crossings(truth(tmp_path, [170, 185, 195, 205, 215])) == [("out", 4, True)]


def test_flip_swaps_the_directions(tmp_path: Path):
    assert crossings(truth(tmp_path, [230, 170]), line(0.5, 0, 0.5, 1, flip=True)) == [("out", 2, True)]


def test_a_step_within_a_quarter_of_the_height_may_be_found_but_need_not(tmp_path: Path):
    # 10 px are a quarter of 40.
    assert crossings(truth(tmp_path, [230, 191])) == [("in", 2, False)]
    assert crossings(truth(tmp_path, [230, 189])) == [("in", 2, True)]
    assert crossings(truth(tmp_path, [209, 170])) == [("in", 2, False)]


def test_of_a_jitter_on_the_line_the_last_change_must_be_found_and_the_others_may(tmp_path: Path):
    jitter = truth(tmp_path, [230, 195, 205, 195, 170])
    assert crossings(jitter) == [("in", 2, False), ("out", 3, False), ("in", 4, True)]


def test_standing_exactly_on_the_line_is_no_side(tmp_path: Path):
    assert crossings(truth(tmp_path, [230, 200, 200, 170])) == [("in", 4, True)]
    assert crossings(truth(tmp_path, [230, 200, 200, 230])) == []


def test_passing_beyond_the_end_of_the_line_is_no_crossing(tmp_path: Path):
    upper_half = line(0.5, 0, 0.5, 0.4)  # down to y = 80; feet are at 100
    assert crossings(truth(tmp_path, [230, 170]), upper_half) == []


def test_a_gap_in_the_truth_is_walked_straight(tmp_path: Path):
    assert crossings(truth(tmp_path, [230, None, None, 170])) == [("in", 4, True)]


def test_rows_to_be_ignored_are(tmp_path: Path):
    assert crossings(truth(tmp_path, [230, 170], conf=0)) == []


def test_a_prediction_in_time_is_right_and_one_out_of_time_is_wrong_twice(tmp_path: Path):
    mot = truth(tmp_path, [230, 230, 230, 170, 170, 170, 170])
    assert judge([predicted(6)], mot).pooled == Score(must=1, found=1, overcounted=0, ignored=0)
    late = judge([predicted(7)], mot).pooled
    assert late == Score(must=1, found=0, overcounted=1, ignored=0)
    assert (late.missed, late.precision, late.recall, late.f1, late.error) == (1, 0.0, 0.0, 0.0, 2.0)


def test_direction_and_line_must_agree(tmp_path: Path):
    mot = truth(tmp_path, [230, 170])
    assert judge([predicted(2, "out")], mot).pooled == Score(must=1, found=0, overcounted=1, ignored=0)
    assert judge([predicted(2, rule="elsewhere")], mot).pooled == Score(must=1, found=0, overcounted=0, ignored=0)


def test_counting_one_person_twice_is_an_overcount(tmp_path: Path):
    assert judge([predicted(2), predicted(3)], truth(tmp_path, [230, 170])).pooled == Score(
        must=1, found=1, overcounted=1, ignored=0
    )


def test_a_prediction_of_what_may_be_found_is_neither_right_nor_wrong(tmp_path: Path):
    score = judge([predicted(2)], truth(tmp_path, [230, 191])).pooled
    assert score == Score(must=0, found=0, overcounted=0, ignored=1)
    assert (score.precision, score.recall, score.f1, score.error) == (1.0, 1.0, 1.0, 0.0)


def test_as_many_as_possible_are_matched_whatever_the_order(tmp_path: Path):
    # Truths at frames 2 and 5: the prediction at 4 suits both, the one at 6 only the second.
    mot = truth(tmp_path, [230, 170, 170, 170, 170, 170], [230, 230, 230, 230, 170, 170])
    for found in ([predicted(4), predicted(6)], [predicted(6), predicted(4)]):
        assert judge(found, mot).pooled == Score(must=2, found=2, overcounted=0, ignored=0)


def test_scores_are_given_per_line_and_direction_and_pooled(tmp_path: Path):
    mot = truth(tmp_path, [230, 170], [170, 230])
    result = judge([predicted(2), predicted(2, rule="left")], mot, MIDDLE, line(0.1, 0, 0.1, 1, name="left"))
    assert [(each.line, each.direction, each.score.must, each.score.found) for each in result.lines] == [
        ("door", "in", 1, 1),
        ("door", "out", 1, 0),
        ("left", "in", 0, 0),
        ("left", "out", 0, 0),
    ]
    assert result.pooled == Score(must=2, found=1, overcounted=1, ignored=0)
    assert result.pooled.f1 == pytest.approx(0.5)
