"""Made-up people who walk through made-up pictures, for tests of the counting core."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from actors.counting.session import CountingSession
from schema.events import Crossing, Detections, FrameId, Observation
from schema.geometry import Line, Point, Scene, Zone

Path = Callable[[float], tuple[float, float] | None]
"""Time in seconds to the foot point, normalised; None while nobody is to be seen."""

WIDTH_PX, HEIGHT_PX = 800, 600
TALL = 0.2
"""Height of a person, of the picture's height."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone on a path; ``noise`` is the standard deviation of the detected box's corners in box heights."""

    path: Path
    height: float = TALL
    score: float = 0.9
    noise: float = 0.0


def legs(*points: tuple[float, float, float]) -> Path:
    """Straight walks between points (time in seconds, x, y); unseen before the first and after the last."""
    times, xs, ys = zip(*points, strict=True)

    def path(t: float) -> tuple[float, float] | None:
        if not times[0] <= t <= times[-1]:
            return None
        return float(np.interp(t, times, xs)), float(np.interp(t, times, ys))

    return path


def hidden(path: Path, start_s: float, end_s: float) -> Path:
    """The same path, unseen for a while."""
    return lambda t: None if start_s <= t < end_s else path(t)


def jittering(x: float, y: float, amplitude: float) -> Path:
    """Stands still, but is seen to and fro in x, to another side in every frame of up to 30 a second."""
    return lambda t: (x + amplitude * (1 if round(t * 30) % 2 else -1), y)


def film(
    people: Sequence[Person],
    *,
    seconds: float,
    fps: float = 10,
    camera_id: int = 1,
    epoch: str = "e",
    start_ns: int = 0,
    seed: int = 1,
) -> list[Observation]:
    """What a perfect detector sees, one observation a frame."""
    random = np.random.default_rng(seed)
    frames: list[Observation] = []
    for k in range(round(seconds * fps)):
        boxes, scores = [], []
        for person in people:
            at = person.path(k / fps)
            shake = random.normal(0, person.noise, 4) if person.noise else np.zeros(4)
            if at is not None:
                box = _box(*at, person.height)
                boxes.append(box + shake * person.height * np.array([HEIGHT_PX / WIDTH_PX, 1] * 2))
                scores.append(person.score)
        frames.append(
            Observation(
                frame=FrameId(camera_id=camera_id, epoch=epoch, seq=k + 1),
                captured_ns=start_ns + round(k / fps * 1e9),
                width_px=WIDTH_PX,
                height_px=HEIGHT_PX,
                detections=Detections(
                    boxes=np.array(boxes, np.float32).reshape(-1, 4), scores=np.array(scores, np.float32), model="m@1"
                ),
            )
        )
    return frames


def _box(x: float, y: float, height: float) -> np.ndarray:
    half = 0.2 * height * HEIGHT_PX / WIDTH_PX
    return np.array([x - half, y - height, x + half, y])


def count(scene: Scene, frames: Iterable[Observation], *, close: bool = True) -> list[Crossing]:
    """Run one camera over its frames and, unless told otherwise, end it."""
    session = CountingSession()
    session.open(1, "e", scene)
    crossings = [crossing for frame in frames for crossing in session.advance([frame])]
    return crossings + (session.close(1) if close else [])


def ways(crossings: Iterable[Crossing]) -> list[str]:
    """Directions in order."""
    return [crossing.direction for crossing in crossings]


def line(ax: float, ay: float, bx: float, by: float, name: str = "door", **options: object) -> Line:
    """A line between two points."""
    return Line(name=name, a=Point(x=ax, y=ay), b=Point(x=bx, y=by), **options)  # pyright: ignore[reportArgumentType]


def zone(*corners: tuple[float, float], name: str = "hall", **options: object) -> Zone:
    """A polygon."""
    polygon = tuple(Point(x=x, y=y) for x, y in corners)
    return Zone(name=name, polygon=polygon, **options)  # pyright: ignore[reportArgumentType]


DOOR = Scene(lines=(line(0.5, 0, 0.5, 1),))
"""A line from top to bottom through the middle: "in" is to the left."""

HALL = Scene(zones=(zone((0.4, 0.4), (0.8, 0.4), (0.8, 0.9), (0.4, 0.9)),))
