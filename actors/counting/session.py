"""Counts people in all cameras of a worker: observations in, crossings out."""

from collections.abc import Sequence

import numpy as np

from actors.counting.batch import gather
from actors.counting.epoch import Epoch
from actors.counting.line import Lines
from actors.counting.matching import Bools, Ints
from actors.counting.people import People
from actors.counting.side import Seen, Sides
from actors.counting.snapshot import Snapshot, pack, unpack
from actors.counting.track_log import RuleKey, rule_key
from actors.counting.tracker import Tracker, Tracking
from actors.counting.zone import Zones
from schema.events import Cause, Crossing, Observation, Track
from schema.geometry import Rule, Scene, Zone


class CountingSession:
    """The counting state of many cameras, advanced together. Not safe for several threads at once."""

    def __init__(self, tracking: Tracking | None = None) -> None:
        self._tracker = Tracker(tracking or Tracking())
        self._lines, self._zones = Lines(), Zones()
        self._slots: list[Epoch | None] = []
        self._epochs: dict[int, Epoch] = {}

    def open(self, camera_id: int, epoch: str, scene: Scene, state: bytes | None = None) -> None:
        """Start a stream epoch of a camera, from nothing or from where the snapshot ``state`` was taken.

        An epoch that is still open is dropped without its last crossings: close it first to have them.

        Raises:
            ValueError: ``state`` is not a snapshot of this camera and epoch.
        """
        saved = None if state is None else unpack(state, scene)
        if saved is not None and (saved.camera_id, saved.epoch) != (camera_id, epoch):
            raise ValueError(f"the snapshot is of camera {saved.camera_id}, epoch {saved.epoch}")
        if camera_id in self._epochs:
            self._drop(self._epochs[camera_id])
        slot = self._slots.index(None) if None in self._slots else len(self._slots)
        opened = Epoch(camera_id=camera_id, name=epoch, scene=scene, slot=slot)
        self._slots[slot : slot + 1] = [opened]
        self._epochs[camera_id] = opened
        self._place_rules()
        if saved is not None:
            self._restore(opened, saved)

    def close(self, camera_id: int) -> list[Crossing]:
        """End a camera's epoch and free all it held.

        Returns:
            The last crossings: whoever is in a zone is ``lost`` from it when last seen.
        """
        epoch = self._epochs[camera_id]
        crossings = self._lost(self._rows_of(epoch), epoch.scene.zones)
        self._drop(epoch)
        return crossings

    def set_scene(self, camera_id: int, scene: Scene) -> list[Crossing]:
        """Change a camera's rules while it runs; rules of the same name and version keep their state.

        Returns:
            Crossings of people in zones that are no more: they are ``lost`` from them when last seen.
        """
        epoch = self._epochs[camera_id]
        kept = {rule_key(rule) for rule in scene.rules}
        rows = self._rows_of(epoch)
        crossings = self._lost(rows, [zone for zone in epoch.scene.zones if rule_key(zone) not in kept])
        for log in epoch.logs.values():
            log.retain(kept)
        before = self._saved(epoch)
        epoch.scene = scene
        self._place_rules()
        self._put_sides(epoch, before)
        return crossings

    def advance(self, observations: Sequence[Observation]) -> list[Crossing]:
        """Take in one frame of some cameras, at most one of each; every camera has its own time.

        Returns:
            Crossings that became certain; those of one camera are in the same order whichever cameras are beside it.

        Raises:
            KeyError: a camera is not open.
            ValueError: a camera is observed twice, or in another epoch than the open one.
        """
        epochs = self._observed(observations)
        batch = gather(observations, [epoch.slot for epoch in epochs], len(self._slots))
        crossings = self._end(self._tracker.stale(batch))
        before = len(self._tracker.rows)
        seen = self._tracker.step(batch)
        self._lines.grow(len(self._tracker.rows) - before)
        self._zones.grow(len(self._tracker.rows) - before)
        for k in self._tracker.ripe(seen):
            row = self._tracker.rows[int(k)]
            crossings += self._epoch(row).confirm(row)
        rows = self._tracker.rows[seen]
        return crossings + self._cross(
            Seen(
                row=seen,
                slot=rows["slot"],
                now_ns=rows["seen_ns"],
                seq=rows["seen_seq"],
                aspect=batch.aspect[rows["slot"]],
                foot_x=rows["pos"][:, 0],
                foot_y=rows["pos"][:, 1],
                height=rows["pos"][:, 3],
            )
        )

    def tracks(self, camera_id: int) -> list[Track]:
        """Confirmed people of a camera, each where last seen; those in the last frame carry its time."""
        epoch = self._epochs[camera_id]
        rows = self._tracker.rows[self._rows_of(epoch)]
        return [epoch.track(row) for row in rows[rows["id"] > 0]]

    def people(self, camera_id: int, captured_ns: int) -> People:
        """Everybody who was seen in the last frame of a camera, captured at this time."""
        epoch = self._epochs[camera_id]
        rows = self._tracker.rows
        return epoch.people(rows[(rows["slot"] == epoch.slot) & (rows["seen_ns"] == captured_ns)])

    def snapshot(self, camera_id: int) -> bytes:
        """A camera's whole state; ``open`` goes on from it as if nothing had happened."""
        return pack(self._saved(self._epochs[camera_id]))

    def _observed(self, observations: Sequence[Observation]) -> list[Epoch]:
        """The epochs that these observations belong to, one each."""
        epochs = [self._epochs[each.frame.camera_id] for each in observations]
        if len({epoch.slot for epoch in epochs}) < len(epochs):
            raise ValueError("a camera is observed twice in one call")
        for epoch, each in zip(epochs, observations, strict=True):
            if each.frame.epoch != epoch.name:
                raise ValueError(f"camera {epoch.camera_id} is in epoch {epoch.name}, not {each.frame.epoch}")
        for epoch, each in zip(epochs, observations, strict=True):
            epoch.aspect = each.width_px / each.height_px
            epoch.model = each.detections.model or epoch.model
        return epochs

    def _epoch(self, row: np.void) -> Epoch:
        epoch = self._slots[int(row["slot"])]
        assert epoch is not None, "a track outlived its camera"  # noqa: S101
        return epoch

    def _rows_of(self, camera: Epoch) -> Ints:
        return np.flatnonzero(self._tracker.rows["slot"] == camera.slot)

    def _cross(self, seen: Seen) -> list[Crossing]:
        """Bring lines and zones up to date for the tracks that were seen."""
        crossed = self._lines.advance(seen)
        entered, appeared = self._zones.advance(seen)
        crossings: list[Crossing] = []
        for k, column in np.argwhere(crossed):
            crossings += self._changed(int(seen.row[k]), self._lines, int(column), "crossed")
        for k, column in np.argwhere(entered | appeared):
            cause = "appeared" if appeared[k, column] else "crossed"
            crossings += self._changed(int(seen.row[k]), self._zones, int(column), cause)
        return crossings

    def _changed(self, k: int, sides: Sides, column: int, cause: Cause) -> list[Crossing]:
        """Report that the track in row ``k`` is on another side now."""
        row, at = self._tracker.rows[k], sides.state[k, column]
        epoch = self._epoch(row)
        rules = epoch.scene.lines if sides is self._lines else epoch.scene.zones
        return epoch.record(row, epoch.crossed(rules[column], at, row, cause))

    def _end(self, stale: Bools) -> list[Crossing]:
        """Finish tracks that were not seen for too long."""
        if not stale.any():
            return []
        crossings: list[Crossing] = []
        for k in np.flatnonzero(stale):
            row = self._tracker.rows[int(k)]
            epoch = self._epoch(row)
            crossings += self._lost(np.array([k]), epoch.scene.zones)
            epoch.logs.pop(int(row["birth"]), None)
        self._keep(~stale)
        return crossings

    def _lost(self, rows: Ints, zones: Sequence[Zone]) -> list[Crossing]:
        """Report whom of these confirmed tracks of one camera we lose sight of inside which of these zones."""
        crossings: list[Crossing] = []
        for k, column in np.argwhere(self._zones.state["side"][rows] > 0):
            row = self._tracker.rows[int(rows[k])]
            epoch = self._epoch(row)
            zone = epoch.scene.zones[int(column)]
            if row["id"] > 0 and zone in zones:
                crossings += epoch.record(row, epoch.lost(zone, row))
        return crossings

    def _keep(self, rows: Bools) -> None:
        self._tracker.keep(rows)
        self._lines.keep(rows)
        self._zones.keep(rows)

    def _drop(self, epoch: Epoch) -> None:
        """Free all that an epoch holds."""
        self._keep(self._tracker.rows["slot"] != epoch.slot)
        del self._epochs[epoch.camera_id]
        self._slots[epoch.slot] = None
        while self._slots and self._slots[-1] is None:
            self._slots.pop()
        self._place_rules()

    def _place_rules(self) -> None:
        self._lines.place([epoch.scene.lines if epoch else () for epoch in self._slots])
        self._zones.place([epoch.scene.zones if epoch else () for epoch in self._slots])

    def _saved(self, epoch: Epoch) -> Snapshot:
        rows = self._rows_of(epoch)
        lines, zones = epoch.scene.lines, epoch.scene.zones
        table = self._tracker.rows[rows]
        index = {int(birth): k for k, birth in enumerate(table["birth"])}
        table["slot"] = table["birth"] = 0
        return Snapshot(
            camera_id=epoch.camera_id,
            epoch=epoch.name,
            model=epoch.model,
            confirmed=epoch.confirmed,
            aspect=epoch.aspect,
            lines=tuple(map(rule_key, lines)),
            zones=tuple(map(rule_key, zones)),
            rows=table,
            at_line=self._lines.state[rows, : len(lines)],
            at_zone=self._zones.state[rows, : len(zones)],
            logs={index[birth]: log for birth, log in epoch.logs.items()},
        )

    def _restore(self, epoch: Epoch, saved: Snapshot) -> None:
        rows = saved.rows.copy()
        rows["slot"] = epoch.slot
        births = self._tracker.add(rows)
        self._lines.grow(len(rows))
        self._zones.grow(len(rows))
        epoch.model, epoch.confirmed, epoch.aspect = saved.model, saved.confirmed, saved.aspect
        epoch.logs = {int(births[k]): log for k, log in saved.logs.items()}
        self._put_sides(epoch, saved)

    def _put_sides(self, epoch: Epoch, saved: Snapshot) -> None:
        """Give an epoch's tracks the sides that were saved, each at the column its rule has now."""
        rows = self._rows_of(epoch)
        self._lines.put(rows, saved.at_line, _columns(epoch.scene.lines, saved.lines))
        self._zones.put(rows, saved.at_zone, _columns(epoch.scene.zones, saved.zones))


def _columns(rules: Sequence[Rule], saved: Sequence[RuleKey]) -> list[int | None]:
    """For each rule the column it had, if any."""
    return [saved.index(rule_key(rule)) if rule_key(rule) in saved else None for rule in rules]
