"""What following people and judging four lines costs a camera's frame, 64 cameras to a worker."""

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import supervision as sv  # pyright: ignore[reportMissingImports] - in the bench extra only
from numpy.typing import NDArray
from trackers import ByteTrackTracker  # pyright: ignore[reportMissingImports] - in the bench extra only
from ultralytics.engine.results import Boxes
from ultralytics.trackers.byte_tracker import BYTETracker

from actors.counting.session import CountingSession
from cluster.bench.measure import Measure, medians
from schema.events import Detections, FrameId, Observation
from schema.geometry import Scene, parse_line

_ROUNDS = 5
_CAMERAS = 64
_PEOPLE = 6
_FPS = 10
_FRAMES = 60
_PEER_CAMERAS = 4
_WIDTH_PX, _HEIGHT_PX = 1280, 720
_LINES = ("a=.3,0,.3,1", "b=.7,0,.7,1", "c=0,.5,1,.5", "d=.2,.3,.8,.9")

_Seen = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Boxes (N, 4) in pixels and scores (N,) of each frame of one camera."""


def measure() -> list[Measure]:
    """Advance 64 cameras with six people each, in turn with ByteTrack and LineZone as two peers have them.

    CPU time of the one thread at work, so a busy machine does not blur it. The peers know one camera at a time and
    cost the same for each, so they are given fewer cameras.
    """
    films = [_film(camera) for camera in range(_CAMERAS)]
    ours_ms, ultralytics_ms, trackers_ms = medians(
        _ROUNDS,
        [
            lambda: _per_frame(_CAMERAS, lambda: _ours(films)),
            lambda: _per_frame(_PEER_CAMERAS, lambda: [_ultralytics(film) for film in films[:_PEER_CAMERAS]]),
            lambda: _per_frame(_PEER_CAMERAS, lambda: [_trackers(film) for film in films[:_PEER_CAMERAS]]),
        ],
    )
    peers = {
        "Ultralytics BYTETracker + supervision LineZone": ultralytics_ms,
        "trackers ByteTrackTracker + supervision LineZone": trackers_ms,
    }
    return [
        Measure(name="track", value=ours_ms, unit="ms", reference=f"{peer}: {ms:.3f} ms", ratio=ours_ms / ms)
        for peer, ms in peers.items()
    ]


def _per_frame(cameras: int, run: Callable[[], object]) -> float:
    """Milliseconds for one frame of one camera."""
    began_s = time.process_time()
    run()
    return (time.process_time() - began_s) * 1000 / (cameras * _FRAMES)


def _film(camera: int) -> _Seen:
    """People who walk straight, turn at the picture's edge, and are now and then missed or seen faintly."""
    random = np.random.default_rng(camera)
    foot = random.uniform((0.1, 0.3), 0.9, (_PEOPLE, 2)) * (_WIDTH_PX, _HEIGHT_PX)
    step = random.normal(0, 0.8, (_PEOPLE, 2)) / _FPS
    tall = random.uniform(90, 180, (_PEOPLE, 1))
    frames: _Seen = []
    for _ in range(_FRAMES):
        foot += step * tall
        outside = (foot < (0, 0.2 * _HEIGHT_PX)) | (foot > (_WIDTH_PX, _HEIGHT_PX))
        step = np.where(outside, -step, step)
        corner = np.hstack([foot[:, :1] - tall * 0.2, foot[:, 1:] - tall, foot[:, :1] + tall * 0.2, foot[:, 1:]])
        boxes = corner + random.normal(0, 0.02, corner.shape) * tall
        scores = np.clip(random.normal(0.7, 0.15, _PEOPLE), 0.1, 1)
        seen = random.random(_PEOPLE) > 0.05
        frames.append((boxes[seen].astype(np.float32), scores[seen].astype(np.float32)))
    return frames


def _ours(films: Sequence[_Seen]) -> None:
    session = CountingSession()
    scene = Scene(lines=tuple(map(parse_line, _LINES)))
    scale = np.array([_WIDTH_PX, _HEIGHT_PX] * 2, np.float32)
    for camera in range(len(films)):
        session.open(camera, "bench", scene)
    for k in range(_FRAMES):
        session.advance(
            [
                Observation(
                    frame=FrameId(camera_id=camera, epoch="bench", seq=k + 1),
                    captured_ns=round(k / _FPS * 1e9),
                    width_px=_WIDTH_PX,
                    height_px=_HEIGHT_PX,
                    detections=Detections(boxes=film[k][0] / scale, scores=film[k][1]),
                )
                for camera, film in enumerate(films)
            ]
        )


def _ultralytics(film: _Seen) -> None:
    # Ultralytics' own bytetrack.yaml.
    settings = {"track_high_thresh": 0.25, "track_low_thresh": 0.1, "new_track_thresh": 0.25, "track_buffer": 30}
    tracker = BYTETracker(SimpleNamespace(**settings, match_thresh=0.8, fuse_score=True))
    lines = _line_zones()
    for boxes, scores in film:
        table = np.column_stack([boxes, scores, np.zeros(len(scores), np.float32)])
        found = tracker.update(Boxes(table, (_HEIGHT_PX, _WIDTH_PX)))
        if len(found):
            people = sv.Detections(
                xyxy=found[:, :4],
                confidence=found[:, 5],
                class_id=found[:, 6].astype(int),
                tracker_id=found[:, 4].astype(int),
            )
            for line in lines:
                line.trigger(people)


def _trackers(film: _Seen) -> None:
    tracker = ByteTrackTracker(frame_rate=_FPS)
    lines = _line_zones()
    for boxes, scores in film:
        people = tracker.update(sv.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(scores), int)))
        for line in lines:
            line.trigger(people)


def _line_zones() -> list[sv.LineZone]:
    zones: list[sv.LineZone] = []
    for line in map(parse_line, _LINES):
        start, end = (sv.Point(p.x * _WIDTH_PX, p.y * _HEIGHT_PX) for p in (line.a, line.b))
        zones.append(sv.LineZone(start, end, triggering_anchors=[sv.Position.BOTTOM_CENTER]))
    return zones
