"""What a user can get wrong with ``count`` and ``eval``: one line that names it, exit 2, and no output left behind."""

import warnings
from pathlib import Path

import pytest

from cluster.cli import run
from tests.clips import make_clip
from tests.contracts import detector_models as models
from tests.integration.rtsp_server import free_port

pytestmark = pytest.mark.integration

LINE = "--line=door=.5,0,.5,1"
SIZE = "768x576@7"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are wrong in many ways, and a right video."""
    folder = tmp_path_factory.mktemp("inputs")
    make_clip(folder / "clip.mp4", 12)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video\n" * 100)
    (folder / "head.mp4").write_bytes((folder / "clip.mp4").read_bytes()[:4000])
    (folder / "det.txt").write_text("1,-1,10,10,20,40,0.9\n2,-1,12,10,20,40,0.9\n")
    (folder / "det.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    for suffix in (".pt", ".onnx", ".xml", ".pb"):
        (folder / f"corrupt{suffix}").write_bytes(b"\x80\x02nonsense" * 50)
    (folder / "holds-nothing").mkdir()
    return folder


@pytest.fixture
def refused(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a command that must fail as bad input; gives the sentence."""
    monkeypatch.chdir(folder)

    def run_it(*arguments: str) -> str:
        outputs = [f"--events={tmp_path / 'events.jsonl'}", f"--video={tmp_path / 'out.mp4'}"]
        given = (
            [] if arguments[0] == "eval" or any(a.startswith(("--events", "--video")) for a in arguments) else outputs
        )
        code = run([*arguments, *given])
        out, err = capfd.readouterr()
        assert code == 2, err
        assert out == ""
        assert err.startswith("turnstile: ")
        assert err.count("\n") == 1, err
        assert list(tmp_path.iterdir()) == []
        return err

    return run_it


@pytest.mark.parametrize(
    ("video", "sentence"),
    [
        ("missing.mp4", "'missing.mp4' cannot be opened"),
        ("empty.mp4", "'empty.mp4' is empty"),
        ("text.mp4", "'text.mp4' is not"),
        ("head.mp4", "'head.mp4'"),
        ("holds-nothing", "'holds-nothing'"),
    ],
)
def test_a_file_without_video_is_named(refused, video, sentence):
    assert sentence in refused("count", video, LINE, "--detections=det.txt")


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([], "nothing to count by"),
        (["--line=door=.5,.5,.5,.5"], "line 'door' starts and ends at the same point"),
        (["--line=door=.5,0,.5,1.5"], "outside 0..1"),
        (["--line=door=.5,0,.5"], "line 'door'"),
        (["--line=.5,0,.5,1"], "has no name"),
        (["--zone=hall=0,0,1,1,0,1,1,0"], "zone 'hall' crosses itself"),
        ([LINE, LINE], "the name 'door' is used 2 times"),
    ],
)
def test_an_impossible_line_or_zone_is_named(refused, rules, sentence):
    assert sentence in refused("count", SIZE, "--detections=det.txt", *rules)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("yolo", "unknown model 'yolo'"),
        ("missing.onnx", "no model at 'missing.onnx'"),
        ("corrupt.pt", "'corrupt.pt' cannot be read"),
        ("corrupt.onnx", "'corrupt.onnx' cannot be read"),
        ("corrupt.xml", "'corrupt.xml' cannot be read"),
        ("corrupt.pb", "'corrupt.pb' is not an object detection graph"),
        ("det.txt", "'det.txt' is no kind of model"),
        ("holds-nothing", "folder 'holds-nothing' holds 0 .xml files"),
    ],
)
def test_a_model_that_cannot_be_used_is_named(refused, model, sentence):
    assert sentence in refused("count", "clip.mp4", LINE, f"--model={model}")


def test_a_model_that_knows_no_people_is_refused(refused, tmp_path_factory):
    with warnings.catch_warnings(action="ignore"):
        weights = models.untrained_yolo(tmp_path_factory.mktemp("cars"), first_class="car")
    assert "has no class named 'person'" in refused("count", "clip.mp4", LINE, f"--model={weights}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([SIZE], "'768x576@7' is only a size"),
        ([SIZE, "--detections=missing.txt"], "'missing.txt'"),
        ([SIZE, "--detections=det.xlsx"], "'det.xlsx'"),
        ([SIZE, "--detections=det.txt", "--model=ssdlite"], "exclude each other"),
        ([SIZE, "--detections=det.txt", "--detect-fps=often"], "--detect-fps 'often'"),
        ([SIZE, "--detections=det.txt", "--detect-fps=0"], "--detect-fps '0'"),
        ([SIZE, "--detections=det.txt", "--events=nowhere/events.jsonl"], "cannot write 'nowhere/events.jsonl'"),
        ([SIZE, "--detections=det.txt", "--video=out.gif"], "cannot write video 'out.gif'"),
        ([SIZE, "--detections=det.txt", "--video=nowhere/out.mp4"], "cannot write 'nowhere/out.mp4'"),
        (["clip.mp4", "--detections=det.txt", "--video=clip.mp4"], "'clip.mp4' is named twice"),
    ],
)
def test_options_that_cannot_be_followed_are_named(refused, arguments, sentence):
    assert sentence in refused("count", LINE, *arguments)


def test_a_stream_that_nobody_sends_is_named_without_its_password(refused):
    sentence = refused("count", LINE, "--model=ssdlite", f"rtsp://me:secret@127.0.0.1:{free_port()}/hall")
    assert "nothing listens there" in sentence
    assert "secret" not in sentence


def test_evaluation_needs_its_ground_truth(refused):
    assert "'missing.txt'" in refused("eval", SIZE, LINE, "--detections=det.txt", "--gt=missing.txt")


def test_evaluation_needs_a_recorded_video(refused):
    assert "live stream" in refused("eval", "rtsp://127.0.0.1/hall", LINE, "--gt=det.txt", "--detections=det.txt")
