"""The demo's video is the right one or none, from wherever it can be had."""

import hashlib
from pathlib import Path

import httpx
import pytest

from cluster import demo_video as module
from cluster.demo_video import demo_video
from schema.errors import BadInput
from schema.settings import Settings

CONTENT = b"people walking"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    return Settings(cache=tmp_path / "cache")


def _gives(content: bytes):
    def fetch(part: Path) -> None:
        part.write_bytes(content)

    return fetch


def _fails(part: Path) -> None:
    raise httpx.ConnectError("no route")


def test_a_video_of_ones_own_is_taken_as_it_is(tmp_path: Path):
    own = tmp_path / "own.mp4"
    own.write_bytes(b"anything")
    assert demo_video(Settings(demo_video=own)) == own


def test_a_missing_video_of_ones_own_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match=r"own\.mp4 is not there"):
        demo_video(Settings(demo_video=tmp_path / "own.mp4"))


def test_it_is_fetched_once(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_from_opencv", _gives(CONTENT))
    fetched = demo_video(settings)
    monkeypatch.setattr(module, "_from_opencv", _fails)
    monkeypatch.setattr(module, "_from_debian", _fails)
    assert demo_video(settings) == fetched
    assert fetched.read_bytes() == CONTENT


def test_debian_is_asked_when_opencv_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_from_opencv", _fails)
    monkeypatch.setattr(module, "_from_debian", _gives(CONTENT))
    assert demo_video(settings).read_bytes() == CONTENT


def test_another_file_is_refused_and_nothing_is_left(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_from_opencv", _gives(b"<html>sign in</html>"))
    monkeypatch.setattr(module, "_from_debian", _fails)
    with pytest.raises(BadInput, match=r"another one; no route.*put OpenCV's samples/data/vtest\.avi at .*vtest\.avi"):
        demo_video(settings)
    assert list(settings.cache.iterdir()) == []
