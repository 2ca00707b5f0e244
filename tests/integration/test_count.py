"""``turnstile count`` and ``eval`` as a user runs them, on a piece of real video."""

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.clips import make_clip
from tests.contracts import detector_models as models

pytestmark = pytest.mark.integration

FRAMES = 100
LINE = "--line=gate=0.7,0,0.7,1"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


def turnstile(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("turnstile"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def counted(*arguments: object) -> dict:
    """Run ``count --json``, which prints one JSON object and nothing else."""
    done = turnstile("count", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_real_people_are_counted_in_a_video_with_the_packaged_model(clip, tmp_path):
    models.need_ssdlite()
    out = tmp_path / "events.jsonl"
    result = counted(clip, LINE, "--model=ssdlite", f"--events={out}")
    assert result["frames"] == FRAMES
    assert result["fps"] == pytest.approx(FRAMES / result["seconds"], rel=0.01)
    gate = result["lines"]["gate"]
    assert gate["in"] + gate["out"] > 0
    written = events(out)
    assert len(written) == gate["in"] + gate["out"]
    for event in written:
        assert list(event) == ["frame", "time_s", "track_id", "line", "direction", "confidence", "x", "y"]
        assert event["time_s"] == pytest.approx((event["frame"] - 1) / 10, abs=0.002)
        assert event["x"] == pytest.approx(0.7, abs=0.1)


def test_the_same_video_gives_the_same_events_every_time(clip, tmp_path):
    model = models.need(models.YOLO_INT8)
    for name in ("one", "two"):
        counted(clip, LINE, f"--model={model}", "--detect-fps=5", f"--events={tmp_path / name}")
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text() != ""


def test_detections_without_pictures_count_like_those_with(clip, tmp_path):
    detections = models.need(models.PUBLIC_DETECTIONS)
    short = tmp_path / "det.txt"
    rows = detections.read_text().splitlines()
    short.write_text("\n".join(row for row in rows if int(row.split(",")[0]) <= FRAMES))
    for video, out in ((clip, "a"), ("768x576@10", "b")):
        result = counted(
            video, LINE, "--zone=left=0,0,0.7,0,0.7,1,0,1", f"--detections={short}", f"--events={tmp_path / out}"
        )
        assert result["frames"] == FRAMES
        assert set(result["zones"]["left"]) == {
            "in", "out", "effective_in", "effective_out", "occupancy", "mean_dwell_s",
        }  # fmt: skip
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() != ""


def test_the_annotated_video_has_every_frame_and_all_its_time(clip, tmp_path):
    out = tmp_path / "out.mp4"
    counted(clip, LINE, f"--detections={models.need(models.GROUND_TRUTH)}", f"--video={out}")
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == FRAMES
    assert times[-1] == pytest.approx((FRAMES - 1) / 10, abs=0.01)


def test_fewer_frames_a_second_are_looked_at_when_asked(clip):
    result = counted(clip, LINE, f"--detections={models.need(models.GROUND_TRUTH)}", "--detect-fps=5")
    assert result["frames"] == pytest.approx(FRAMES / 2, abs=1)


def test_people_read_a_table(clip):
    done = turnstile("count", clip, LINE, f"--detections={models.need(models.GROUND_TRUTH)}")
    assert done.returncode == 0
    assert "gate" in done.stdout
    assert f"{FRAMES} frames" in done.stdout
    assert done.stderr == ""


def test_a_truncated_video_is_counted_as_far_as_it_goes(clip, tmp_path):
    whole = clip.read_bytes()
    matroska = tmp_path / "whole.mkv"
    with av.open(str(clip)) as source, av.open(str(matroska), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(matroska.read_bytes()[: len(whole) // 2])
    done = turnstile("count", cut, LINE, f"--detections={models.need(models.GROUND_TRUTH)}", "--json")
    assert done.returncode == 0, done.stderr
    assert 10 < json.loads(done.stdout)["frames"] < FRAMES


def test_counting_ground_truth_itself_is_nearly_perfect():
    truth = models.need(models.GROUND_TRUTH)
    done = turnstile(
        "eval", "768x576@7", f"--gt={truth}", f"--detections={truth}", LINE, "--line=path=0,.5,1,.5", "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {(each["line"], each["direction"]) for each in result["lines"]} == {
        (line, way) for line in ("gate", "path") for way in ("in", "out")
    }
    assert result["pooled"]["must"] == sum(each["must"] for each in result["lines"])
    assert result["pooled"]["f1"] > 0.97
