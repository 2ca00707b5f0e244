"""One stream epoch of a camera, as the session keeps it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from actors.counting.motion_model import boxes_of
from actors.counting.people import People
from actors.counting.track_log import Change, TrackLog
from schema.events import Cause, Crossing, Track
from schema.geometry import Rule, Scene, Zone


@dataclass(kw_only=True, slots=True)
class Epoch:
    """The open epoch ``name`` of a camera.

    ``slot`` is its place in the tables; ``logs`` go by a track's birth number.
    """

    camera_id: int
    name: str
    scene: Scene
    slot: int
    aspect: float = 1.0
    model: str = ""
    confirmed: int = 0
    logs: dict[int, TrackLog] = field(default_factory=dict[int, TrackLog])

    def crossed(self, rule: Rule, at: np.void, row: np.void, cause: Cause) -> Change:
        """The change of side that ``at``, a SIDE, has just confirmed for the track ``row``, a ROW."""
        return Change(
            rule=rule,
            direction="in" if at["side"] > 0 else "out",
            cause=cause,
            frame=int(at["changed_seq"]),
            occurred_ns=int(at["changed_ns"]),
            confirmed_ns=int(row["seen_ns"]),
            confidence=float(row["score"]),
            x=_fraction(at["x"] / self.aspect),
            y=_fraction(at["y"]),
        )

    def lost(self, zone: Zone, row: np.void) -> Change:
        """The end of a track inside a zone, when and where it was last seen."""
        lift = row["pos"][3] / 2 if zone.anchor == "center" else 0.0
        return Change(
            rule=zone,
            direction="out",
            cause="lost",
            frame=int(row["seen_seq"]),
            occurred_ns=int(row["seen_ns"]),
            confirmed_ns=int(row["seen_ns"]),
            confidence=float(row["score"]),
            x=_fraction(row["pos"][0] / self.aspect),
            y=_fraction(row["pos"][1] - lift),
        )

    def track(self, row: np.void) -> Track:
        """The track as others see it."""
        x, y, width, height = (float(value) for value in row["pos"])
        box = ((x - width / 2) / self.aspect, y - height, (x + width / 2) / self.aspect, y)
        return Track(track_id=int(row["id"]), box=box, score=float(row["score"]), seen_ns=int(row["seen_ns"]))

    def people(self, rows: NDArray[np.void]) -> People:
        """Tracks, ROW (N,), as others see them."""
        boxes = boxes_of(rows["pos"])
        boxes[:, 0::2] /= self.aspect
        return People(births=rows["birth"], ids=rows["id"], boxes=boxes)

    def record(self, row: np.void, change: Change) -> list[Crossing]:
        """Report a change now, or keep it until its track is confirmed."""
        log = self.logs.setdefault(int(row["birth"]), TrackLog())
        if row["id"] == 0:
            log.waiting.append(change)
            return []
        return [self._crossing(row, log, change)]

    def confirm(self, row: np.void) -> list[Crossing]:
        """Give the track its number, and report what waited for it."""
        self.confirmed += 1
        row["id"] = self.confirmed
        log = self.logs.get(int(row["birth"]))
        return [self._crossing(row, log, change) for change in log.release(int(row["seen_ns"]))] if log else []

    def _crossing(self, row: np.void, log: TrackLog, change: Change) -> Crossing:
        track_id = int(row["id"])
        return log.record(change, camera_id=self.camera_id, epoch=self.name, track_id=track_id, model=self.model)


def _fraction(value: float) -> float:
    """A coordinate within the picture: a person at its edge may stand a little outside."""
    return min(max(float(value), 0.0), 1.0)
