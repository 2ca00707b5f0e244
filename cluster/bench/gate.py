"""What a still camera costs with the motion gate: CPU time of the whole feed against decoding alone."""

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from actors.capture.feed import CameraFeed, FeedEvent
from actors.capture.preprocess import letterbox
from cluster.bench.measure import Measure, medians
from schema.camera import CameraSpec
from schema.geometry import Scene
from schema.ports import DetectorSpec

ROUNDS = 5
WIDTH, HEIGHT, FPS = 1920, 1080, 25
FRAMES = 8 * FPS
_DETECTOR = DetectorSpec(model="none", width=640, height=640, keep_aspect=True)


def measure() -> list[Measure]:
    """CPU milliseconds a frame of a still 1080p camera at 25 fps, in real time, medians of interleaved rounds."""
    clip = _still_clip()
    decoded_ms, watched_ms = medians(ROUNDS, [partial(_decode, clip), partial(_watch, clip)])
    return [
        Measure(
            name="gate",
            value=watched_ms,
            unit="CPU ms/frame",
            reference=f"decoding alone, {decoded_ms:.2f} CPU ms/frame",
            ratio=watched_ms / decoded_ms,
        )
    ]


def _decode(clip: Path) -> float:
    def play() -> None:
        began_s = time.monotonic()
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            for number, _ in enumerate(container.decode(stream)):
                time.sleep(max(0.0, began_s + number / FPS - time.monotonic()))

    return _cpu_ms_a_frame(play)


def _watch(clip: Path) -> float:
    """The feed, and a worker that scales what has to be looked at for its detector."""
    slot = np.empty((_DETECTOR.height, _DETECTOR.width, 3), np.uint8)

    def watch() -> None:
        bell = threading.Event()
        over = False
        spec = CameraSpec(id=1, name="still", source=str(clip), scene=Scene())
        # The pause between two rounds of the file lets the feed be closed before it opens the file again.
        feed = CameraFeed(spec, bell=bell, pause=lambda _: time.sleep(0.2))
        feed.start()
        while not over:
            bell.wait()
            bell.clear()
            for item in feed.take(8):
                if isinstance(item, FeedEvent):
                    over = over or item.kind == "lost"
                elif not item.still:
                    letterbox(item.picture, _DETECTOR, slot)
        feed.close()

    return _cpu_ms_a_frame(watch)


def _cpu_ms_a_frame(play: Callable[[], None]) -> float:
    began_s = time.process_time()
    play()
    return (time.process_time() - began_s) * 1000 / FRAMES


def _still_clip() -> Path:
    """Nobody, with the noise of a small sensor: it grows with brightness, and every frame has its own."""
    path = Path(tempfile.gettempdir()) / f"turnstile-bench-still-{WIDTH}x{HEIGHT}-{FRAMES}.mp4"
    if path.exists():
        return path
    rng = np.random.default_rng(7)
    scene = _scene(rng)
    sigma = 1.0 + 0.15 * np.sqrt(scene)
    grain = rng.normal(0.0, 1.0, scene.shape).astype(np.float32)
    unfinished = path.with_suffix(".unfinished.mp4")
    with av.open(str(unfinished), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 2 * FPS
        for _ in range(FRAMES):
            picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            picture[:HEIGHT] = np.clip(scene + sigma * np.roll(grain, int(rng.integers(grain.size))), 0, 255)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    unfinished.replace(path)
    return path


def _scene(rng: np.random.Generator) -> NDArray[np.float32]:
    """A hall: light that falls off, a rough floor, and two hundred things with edges; float32 (HEIGHT, WIDTH)."""
    rough = cv2.GaussianBlur(rng.normal(0.0, 60.0, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 3.0)
    scene = np.linspace(60.0, 150.0, WIDTH, dtype=np.float32)[None, :] + rough
    for _ in range(200):
        left, top = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        scene[top : top + int(rng.integers(10, 150)), left : left + int(rng.integers(10, 150))] += rng.normal(0.0, 30.0)
    return np.clip(scene, 16.0, 235.0)
