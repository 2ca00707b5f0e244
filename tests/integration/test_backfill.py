"""A recorded video goes through Ray, Serve and PostgreSQL, and comes out as it does without them."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from actors.capture.sources import FileSource
from cluster import replay
from cluster.replay import Recording
from cluster.video.count import count_video
from schema.errors import BadInput
from schema.geometry import Scene, parse_line, parse_zone
from serve_app.detector.choose import open_detector

pytestmark = pytest.mark.integration

SCENE = Scene(
    lines=(parse_line("door=0.5,0,0.5,1"), parse_line("level=0,0.5,1,0.5")),
    zones=(parse_zone("middle=0.3,0.3,0.7,0.3,0.7,0.8,0.3,0.8"),),
)


def counted(counts):
    """In and out, raw and effective, of every line or zone."""
    return {
        name: (c.totals.count_in, c.totals.count_out, c.totals.effective_in, c.totals.effective_out)
        for name, c in counts.items()
    }


def run(engine, system, recording):
    begun = replay.begin(engine, recording, model=system.model.model, now_ns=time.time_ns())
    deadline = time.monotonic() + 90
    for _ in replay.follow(engine, [begun]):
        assert time.monotonic() < deadline, "the recording is not finished"
    return begun, replay.result(engine, begun, seconds=1.0)


def test_a_recording_counts_the_same_with_and_without_ray_and_twice_adds_nothing(system, engine, clip):
    alone = count_video(FileSource(clip, 1, 0), open_detector("ssdlite"), SCENE)
    recording = Recording(path=clip, camera="twice", scene=SCENE)
    begun, first = run(engine, system, recording)
    assert first.frames == 150
    assert sum(map(sum, counted(first.lines).values())) > 0
    assert counted(first.lines) == counted(alone.lines)
    assert counted(first.zones) == counted(alone.zones)

    stored = replay.stored_crossings(engine, begun)
    again, second = run(engine, system, replace(recording, scene=Scene()))
    assert again.camera.started_ns == begun.camera.started_ns
    assert counted(second.lines) == counted(first.lines)
    assert replay.stored_crossings(engine, again) == stored


def test_a_recording_is_counted_again_by_a_new_line_without_counting_the_old_ones_twice(system, engine, clip):
    recording = Recording(path=clip, camera="more-lines", scene=SCENE)
    _, first = run(engine, system, recording)
    more = replace(SCENE, lines=(*SCENE.lines, parse_line("low=0,0.6,1,0.6")))
    _, second = run(engine, system, replace(recording, scene=more))
    assert counted(first.lines).items() <= counted(second.lines).items()
    assert second.lines["low"].totals.count_out > 0


def test_a_file_that_is_not_video_is_refused_before_anything_is_stored(system, engine, tmp_path: Path):
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(BadInput, match=r"notes\.mp4"):
        run(engine, system, Recording(path=path, camera="notes", scene=SCENE))


def test_a_recording_without_anything_to_count_by_is_refused(system, engine, clip):
    with pytest.raises(BadInput, match="nothing to count by"):
        run(engine, system, Recording(path=clip, camera="bare", scene=Scene()))


def test_a_recording_keeps_its_start(system, engine, clip):
    recording = Recording(path=clip, camera="twice", scene=Scene(), started_ns=1)
    with pytest.raises(BadInput, match="counted before as starting at"):
        run(engine, system, recording)
