"""Counting a real RTSP stream from the command line, until it ends or the user has seen enough."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clips import make_clip
from tests.contracts import detector_models as models
from tests.integration.rtsp_server import RtspServer, missing

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 100)


def start(url: str, events: Path) -> subprocess.Popen[str]:
    command = [Path(sys.executable).with_name("turnstile"), "count", url, "--line=gate=.7,0,.7,1", "--model=ssdlite"]
    return subprocess.Popen(
        [*map(str, command), f"--events={events}", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def server(clip: Path):
    models.need_ssdlite()
    if reason := missing():
        pytest.skip(reason)
    with RtspServer(clip) as running:
        yield running


def test_a_stream_that_ends_gives_what_was_counted(server, tmp_path):
    counting = start(server.url, tmp_path / "events.jsonl")
    out, err = counting.communicate(timeout=60)
    assert counting.returncode == 0, err
    assert json.loads(out)["frames"] > 5
    assert "The stream was lost" in err
    assert (tmp_path / "events.jsonl").exists()


def test_the_user_ends_a_stream_and_gets_what_was_counted(server, tmp_path):
    counting = start(server.url, tmp_path / "events.jsonl")
    assert counting.stderr is not None
    assert "Counting the stream" in counting.stderr.readline()
    counting.send_signal(signal.SIGINT)
    out, err = counting.communicate(timeout=30)
    assert counting.returncode == 0, err
    assert set(json.loads(out)["lines"]) == {"gate"}
    assert (tmp_path / "events.jsonl").exists()
