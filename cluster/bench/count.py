"""How near counting a video comes to the speed of the network alone."""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av

from cluster.bench.inputs import FirstFrames, vtest, yolo_int8
from cluster.bench.measure import Measure, medians
from cluster.bench.raw import raw_inference
from cluster.video.count import count_video
from cluster.video.source import CAMERA_ID
from schema.geometry import Scene, parse_line
from serve_app.detector.openvino import OpenVinoDetector
from serve_app.detector.ultralytics import YOLO  # from there: it keeps the package offline and quiet

_ROUNDS = 5
_FRAMES = 200
_PEER_FRAMES = 60


def measure() -> list[Measure]:
    """Count the video's first frames with every frame looked at, in turn with its limit and a peer.

    The limit is raw asynchronous inference of the same model on one picture in memory: no decoding, no scaling, no
    reading of the output. The peer is ``track`` of Ultralytics with ByteTrack.
    """
    model, video = yolo_int8(), vtest()
    raw_fps, count_fps, peer_fps = medians(
        _ROUNDS, [raw_inference(model, _FRAMES), _count(model, video), _ultralytics(model, video)]
    )
    raw = f"raw OpenVINO inference: {raw_fps:.1f} frames/s"
    return [
        Measure(name="count", value=count_fps, unit="frames/s", reference=raw, ratio=count_fps / raw_fps),
        Measure(
            name="count: Ultralytics track", value=peer_fps, unit="frames/s", reference=raw, ratio=peer_fps / raw_fps
        ),
    ]


def _count(model: Path, video: Path) -> Callable[[], float]:
    detector = OpenVinoDetector(model)
    scene = Scene(lines=(parse_line("middle=0.5,0,0.5,1"),))
    return lambda: count_video(FirstFrames(video, CAMERA_ID, _FRAMES), detector, scene).fps


def _ultralytics(model: Path, video: Path) -> Callable[[], float]:
    with av.open(str(video)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in islice(container.decode(video=0), _PEER_FRAMES)]
    yolo = YOLO(model, task="detect")
    yolo.track(pictures[0], tracker="bytetrack.yaml", verbose=False)

    def run() -> float:
        began_s = time.perf_counter()
        for picture in pictures:
            yolo.track(picture, persist=True, tracker="bytetrack.yaml", classes=[0], verbose=False)
        return _PEER_FRAMES / (time.perf_counter() - began_s)

    return run
