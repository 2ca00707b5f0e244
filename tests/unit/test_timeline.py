"""Time of recorded frames only goes forward; sampling keeps its rate; coverage shows gaps."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.capture.timeline import SECOND_NS, FileTimeline, FrameSampler, extend

MS = 1_000_000
# A busy machine may take long over an example; what is tested here has nothing to do with it.
UNTIMED = settings(deadline=None)


def times(stamps_ms: list[int | None], *, started_ns: int = 0) -> list[float]:
    timeline = FileTimeline(started_ns=started_ns, period_ns=40 * MS)
    return [timeline.next(None if ms is None else ms * MS) / MS for ms in stamps_ms]


def test_time_starts_at_started_ns_whatever_the_first_timestamp() -> None:
    assert times([5000, 5040, 5120], started_ns=SECOND_NS) == [1000, 1040, 1120]


def test_missing_timestamps_are_one_frame_period_apart() -> None:
    assert times([None, None, None]) == [0, 40, 80]


def test_a_frame_out_of_order_does_not_shift_those_after_it() -> None:
    assert times([0, 80, 40, 120]) == [0, 80, 81, 120]


def test_after_a_clock_that_was_reset_time_goes_on_in_frame_steps() -> None:
    assert times([0, 40, 80_000_000, 80_000_040, 0, 40]) == [0, 40, 80, 120, 160, 200]


def test_a_pause_in_a_recording_is_kept() -> None:
    assert times([0, 40, 600_000]) == [0, 40, 600_000]


@UNTIMED
@given(st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=50))
def test_time_always_goes_forward(stamps_ns: list[int | None]) -> None:
    timeline = FileTimeline(started_ns=7, period_ns=40 * MS)
    given_ns = [timeline.next(ns) for ns in stamps_ns]
    assert all(a < b for a, b in pairwise(given_ns))


def taken(*, frames_ms: list[int], fps: float | None) -> list[int]:
    sampler = FrameSampler(fps=fps, started_ns=0)
    return [ms for ms in frames_ms if sampler.due(ms * MS)]


def test_a_camera_of_25_fps_sampled_at_8_gives_8_a_second() -> None:
    frames_ms = [40 * k for k in range(250)]
    assert 79 <= len(taken(frames_ms=frames_ms, fps=8)) <= 81


def test_a_camera_of_just_the_rate_keeps_every_frame_in_spite_of_rounding() -> None:
    frames_ms = [round(1000 * k / 30) for k in range(300)]
    assert taken(frames_ms=frames_ms, fps=30) == frames_ms


def test_a_slower_camera_keeps_every_frame() -> None:
    frames_ms = [200 * k for k in range(20)]
    assert taken(frames_ms=frames_ms, fps=8) == frames_ms


def test_no_rate_takes_all() -> None:
    assert taken(frames_ms=[0, 1, 2], fps=None) == [0, 1, 2]


@UNTIMED
@given(st.lists(st.integers(1, 500), min_size=2, max_size=60), st.floats(0.5, 60), st.data())
def test_a_resumed_file_gives_the_frames_of_an_undisturbed_run(
    steps: list[int], fps: float, data: st.DataObject
) -> None:
    frames_ms = [sum(steps[:k]) for k in range(len(steps))]
    start = data.draw(st.integers(1, len(frames_ms) - 1))
    resumed = taken(frames_ms=frames_ms[start - 1 :], fps=fps)
    undisturbed = taken(frames_ms=frames_ms, fps=fps)
    assert [ms for ms in resumed if ms >= frames_ms[start]] == [ms for ms in undisturbed if ms >= frames_ms[start]]


def test_coverage_grows_with_each_frame_and_starts_anew_after_a_gap_or_in_another_epoch() -> None:
    watched = extend(None, camera_id=1, epoch="a", captured_ns=SECOND_NS)
    watched = extend(watched, camera_id=1, epoch="a", captured_ns=3 * SECOND_NS)
    assert (watched.from_ns, watched.to_ns) == (SECOND_NS, 3 * SECOND_NS)
    after_gap = extend(watched, camera_id=1, epoch="a", captured_ns=5 * SECOND_NS + 1)
    assert after_gap.from_ns == after_gap.to_ns == 5 * SECOND_NS + 1
    elsewhere = extend(watched, camera_id=1, epoch="b", captured_ns=3 * SECOND_NS)
    assert (elsewhere.epoch, elsewhere.from_ns) == ("b", 3 * SECOND_NS)
