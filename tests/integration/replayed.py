"""A model for tests of the whole system: detections of a file, at the pace of a real model."""

import socket
import time
from pathlib import Path

import pytest

from serve_app.detector.choose import open_detector
from serve_app.detector.replay import ReplayDetector

DETECTIONS = Path(__file__).parents[2].parent / "shared/data/mot15/PETS09-S2L1/det.txt"
REPLAY = "replay"
FRAME_S = 0.015


class PacedReplay(ReplayDetector):
    """Takes as long over a frame as a model would."""

    def detect(self, batch, ids):
        time.sleep(FRAME_S * len(ids))
        return super().detect(batch, ids)


def open_model(model: str):
    """``replay``, or what ``open_detector`` knows; opened in the detector's replica."""
    if model == REPLAY:
        return PacedReplay(DETECTIONS, width_px=768, height_px=576)
    return open_detector(model)


def replay_detector():
    """The same detections at full speed."""
    return ReplayDetector(DETECTIONS, width_px=768, height_px=576)


def need_data() -> None:
    """Skip, saying so, where the recording's detections are absent."""
    if not DETECTIONS.exists():
        pytest.skip(f"{DETECTIONS} is absent")


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
