"""Recorded files give every frame they have, once, in order, at their time; others are refused in one sentence."""

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from structlog.testing import capture_logs

from actors.capture.sources import FileSource, LoopedFileSource, fingerprint, probe
from schema.errors import BadInput
from schema.events import Frame

WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 20, 10
STARTED_NS = 1_700_000_000 * 10**9


def make_video(path: Path, *, frames: int = FRAMES, codec: str = "mpeg4") -> Path:
    """Frame k (from 0) is one grey: 40 + 8k, over again after twenty."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            picture[:HEIGHT] = 40 + 8 * (number % FRAMES)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("capture") / "greys.mp4")


def all_frames(path: Path, start_seq: int = 1) -> list[Frame]:
    return list(FileSource(path, 3, STARTED_NS, start_seq).frames())


def grey(frame: Frame) -> float:
    return float(frame.picture.luma(WIDTH, HEIGHT).mean())


def test_every_frame_comes_once_in_order_at_its_time(video: Path) -> None:
    frames = all_frames(video)
    assert [frame.id.seq for frame in frames] == list(range(1, FRAMES + 1))
    assert [frame.captured_ns - STARTED_NS for frame in frames] == [k * 10**8 for k in range(FRAMES)]
    brightness = [grey(frame) for frame in frames]
    assert brightness == sorted(brightness)
    assert {(frame.id.camera_id, frame.id.epoch) for frame in frames} == {(3, fingerprint(video))}


def test_starting_later_gives_the_same_frames_with_the_same_numbers_and_times(video: Path) -> None:
    whole, rest = all_frames(video), all_frames(video, start_seq=8)
    assert [(f.id, f.captured_ns) for f in rest] == [(f.id, f.captured_ns) for f in whole[7:]]
    assert [grey(f) for f in rest] == [grey(f) for f in whole[7:]]


def test_starting_after_the_end_gives_nothing(video: Path) -> None:
    assert all_frames(video, start_seq=FRAMES + 1) == []


def test_a_copy_has_the_same_epoch_and_another_video_has_not(video: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(video, tmp_path / "copy.mp4"))
    other = make_video(tmp_path / "other.mp4", frames=5)
    assert fingerprint(copy) == fingerprint(video)
    assert fingerprint(other) != fingerprint(video)


def test_a_picture_comes_in_the_size_asked_for_in_rgb(tmp_path: Path) -> None:
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        red = np.zeros((64, 96, 3), np.uint8)
        red[..., 0] = 220
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode(None))
    (frame,) = all_frames(path)
    assert (frame.picture.width, frame.picture.height) == (96, 64)
    for size in ((96, 64), (33, 21)):
        rgb = frame.picture.rgb(*size)
        assert rgb.shape == (size[1], size[0], 3)
        assert rgb.dtype == np.uint8
        assert np.abs(rgb.mean(axis=(0, 1)) - [220, 0, 0]).max() < 12


def test_a_video_taken_on_its_side_stands_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(-90)
        lying = np.full((96, 96), 128, np.uint8)
        lying[:64] = 40
        lying[:16, :16] = 235  # its top left corner, which is at the top right when turned clockwise
        container.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="yuv420p")))
        container.mux(stream.encode(None))
    info = probe(path)
    (frame,) = all_frames(path)
    assert (info.width, info.height) == (frame.picture.width, frame.picture.height) == (64, 96)
    upright = frame.picture.luma(64, 96)
    rgb = frame.picture.rgb(32, 48)
    assert (upright.shape, rgb.shape) == ((96, 64), (48, 32, 3))
    assert upright[:12, -12:].min() > 200
    assert rgb[:6, -6:].min() > 200
    assert upright[:12, :12].max() < 60
    assert frame.picture.cut((52, 0, 64, 12), 6, 6).min() > 200


def test_probing_reads_the_header(video: Path) -> None:
    info = probe(video)
    assert (info.width, info.height, info.fps, info.frames) == (WIDTH, HEIGHT, FPS, FRAMES)
    assert info.duration_s == pytest.approx(FRAMES / FPS, abs=0.1)


def test_a_file_that_was_cut_short_gives_the_frames_it_has_and_says_so(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.avi", frames=200)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with capture_logs() as logs:
        frames = all_frames(cut)
    assert 0 < len(frames) < 200
    assert [frame.id.seq for frame in frames] == list(range(1, len(frames) + 1))
    (entry,) = logs
    assert (entry["event"], entry["frames"]) == ("Video file is damaged or cut short", len(frames))


def test_a_whole_file_is_not_called_damaged(video: Path) -> None:
    with capture_logs() as logs:
        all_frames(video)
    assert logs == []


def test_closing_ends_the_frames_without_a_word(video: Path) -> None:
    source = FileSource(video, 3, STARTED_NS)
    with capture_logs() as logs:
        given = 0
        for _ in source.frames():
            given += 1
            source.close()
    assert given < FRAMES
    assert logs == []
    source.close()


def bad_files(folder: Path) -> dict[str, Path]:
    (folder / "empty.mp4").touch()
    (folder / "letter.txt").write_text("Dear all,\n" * 100)
    (folder / "noise.mp4").write_bytes(os.urandom(20_000))
    whole = make_video(folder / "whole.avi")
    (folder / "header.avi").write_bytes(whole.read_bytes()[:3000])
    with av.open(str(folder / "song.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44_100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return {
        "is empty": folder / "empty.mp4",
        "holds no video": folder / "letter.txt",
        "is not video": folder / "noise.mp4",
        "was cut short": folder / "header.avi",
        "holds no video: give": folder / "song.mp4",
        "No such file": folder / "missing.mp4",
        "Is a directory": folder,
    }


def test_what_is_not_video_is_refused_in_one_sentence_that_names_it(tmp_path: Path) -> None:
    for words, path in bad_files(tmp_path).items():
        for refuse in (probe, all_frames):
            with pytest.raises(BadInput) as refused:
                refuse(path)
            assert words in str(refused.value)
            assert str(path) in str(refused.value)
            assert "\n" not in str(refused.value)


def test_a_looped_file_comes_in_real_time_with_a_fresh_epoch_each_round(tmp_path: Path) -> None:
    path = make_video(tmp_path / "short.mp4", frames=3)
    rounds = []
    for _ in range(2):
        source = LoopedFileSource(path, 3, clock_ns=lambda: STARTED_NS)
        rounds.append(list(source.frames()))
    for frames in rounds:
        assert [frame.captured_ns - STARTED_NS for frame in frames] == [0, 10**8, 2 * 10**8]
    assert rounds[0][0].id.epoch != rounds[1][0].id.epoch
