"""Counting one video, its report and its outputs, without a model."""

import json

import pytest

from cluster.video.count import RuleCount
from cluster.video.events_file import event_line
from cluster.video.source import describe_video
from cluster.video.whole_file import whole_file
from schema.errors import BadInput
from schema.events import Crossing, crossing_id


def crossing(direction: str = "in", ordinal: int = 0, **changes) -> Crossing:
    event_id = crossing_id(camera_id=1, epoch="e", track_id=3, rule="door", version=1, ordinal=ordinal)
    values = {
        "event_id": event_id,
        "camera_id": 1,
        "epoch": "e",
        "track_id": 3,
        "kind": "line",
        "rule": "door",
        "rule_id": 0,
        "direction": direction,
        "ordinal": ordinal,
        "frame": 12,
        "occurred_ns": 3_100_000_000,
        "confirmed_ns": 3_300_000_000,
        "confidence": 0.87654321,
        "x": 0.5,
        "y": 0.25,
    }
    return Crossing(**(values | changes))


def test_a_u_turn_stays_in_the_raw_counts_and_leaves_the_effective_ones():
    first = crossing("in")
    count = RuleCount() + first + crossing("out", 1, undoes=first.event_id, undoes_ns=first.occurred_ns)
    totals = count.totals
    assert (totals.count_in, totals.count_out) == (1, 1)
    assert (totals.effective_in, totals.effective_out) == (0, 0)


def test_people_who_appear_in_a_zone_move_its_occupancy_and_not_its_counts():
    count = RuleCount() + crossing(kind="zone", cause="appeared") + crossing(kind="zone")
    assert (count.totals.count_in, count.totals.occupancy_change) == (1, 2)


def test_the_mean_stay_is_over_those_who_left():
    count = RuleCount() + crossing(kind="zone")
    assert count.mean_dwell_s is None
    count = count + crossing("out", kind="zone", dwell_s=4.0) + crossing("out", kind="zone", dwell_s=2.0)
    assert count.mean_dwell_s == 3.0


def test_an_event_says_when_where_who_and_which_way():
    assert json.loads(event_line(crossing(), started_ns=100_000_000)) == {
        "frame": 12,
        "time_s": 3.0,
        "track_id": 3,
        "line": "door",
        "direction": "in",
        "confidence": 0.8765,
        "x": 0.5,
        "y": 0.25,
    }


def test_an_event_of_a_zone_names_the_zone_and_the_stay():
    event = json.loads(event_line(crossing("out", kind="zone", dwell_s=1.5), started_ns=0))
    assert (event["zone"], event["dwell_s"]) == ("door", 1.5)
    assert "line" not in event


def test_an_output_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "out.jsonl"
    with pytest.raises(RuntimeError), whole_file(target) as part:  # noqa: PT012
        part.write_text("half")
        raise RuntimeError("stopped")
    assert list(tmp_path.iterdir()) == []
    with whole_file(target) as part:
        part.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_before_stays_when_the_new_output_fails(tmp_path):
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    with pytest.raises(RuntimeError), whole_file(target):
        raise RuntimeError("stopped")
    assert target.read_text() == "old"


@pytest.mark.parametrize("place", ["missing/out.jsonl", "."])
def test_a_place_that_cannot_be_written_is_named_before_the_work(tmp_path, place):
    with pytest.raises(BadInput, match="cannot write"), whole_file(tmp_path / place):
        pytest.fail("nothing should be done")


def test_a_size_stands_for_a_video_whose_pictures_are_not_at_hand():
    video = describe_video("768x576@7")
    assert (video.size, video.fps, video.pixels) == ((768, 576), 7.0, False)
    frames = list(video.open(last_frame=3).frames())
    assert [(frame.id.seq, frame.captured_ns) for frame in frames] == [(1, 0), (2, 142857143), (3, 285714286)]


def test_a_size_alone_cannot_be_watched():
    with pytest.raises(BadInput, match="only a size"):
        describe_video("768x576@7").open()


@pytest.mark.parametrize("video", ["0x576@7", "768x576@0"])
def test_an_impossible_size_is_refused(video):
    with pytest.raises(BadInput, match="size or rate of zero"):
        describe_video(video)


def test_a_stream_is_shown_without_its_password():
    video = describe_video("rtsp://me:secret@camera/1")
    assert video.live
    assert "secret" not in str(video)
