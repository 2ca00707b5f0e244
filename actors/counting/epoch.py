"""One stream epoch of a camera, as the session keeps it."""

from dataclasses import dataclass, field

import numpy as np

from actors.counting.track_log import Change, TrackLog
from schema.events import Crossing
from schema.geometry import Scene


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
