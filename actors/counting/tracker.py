"""Follows people from frame to frame: all cameras of a worker advance together, one row a track.

Idea: confident detections are matched first and weak ones second (Y. Zhang et al., "ByteTrack", 2022), by overlap
and by distance of the feet in box heights. A track that is not seen keeps its state and is looked for where it would
have walked, in a circle that widens with time. Times are seconds and lengths box heights throughout, so one setting
serves every frame rate and every size of person. Lengths without a unit are in picture heights.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.counting.batch import Batch
from actors.counting.matching import Bools, Floats, Ints, assign, overlap, pairs
from actors.counting.motion_model import AXES, MEASURED, Motion, born, boxes_of, feet_of, predict, update

_RANK = 10.0
"""More than any two costs within a rank can differ."""

_ALIKE_S = 0.1
"""Frames closer than this make the same error, so ten of them within it tell no more than one (at most ten)."""

_SCORE_S = 1.0
"""Seconds over which a track's score is averaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """How people are followed.

    Attributes:
        strong: score from which on a detection is matched before the others.
        weak: score below which a detection is not used at all.
        birth: score from which on an unmatched detection starts a track.
        confirm_hits: how often a track must be seen to be confirmed, and
        confirm_s: over how many seconds.
        keep_s: seconds unseen after which a confirmed track ends.
        doubt_s: the same for one that is not confirmed.
        reach: how far from its predicted foot a track looks, in standard deviations,
        close_h: at least, in box heights, for people turn more suddenly than the filter believes, and
        reach_h: at most, in box heights.
        size_ratio: how many times taller or smaller than its track a detection may be.
        twin: overlap with the predicted box of a matched track from which on another detection is the same person.
        score_noise: how many times its own value the variance of a detection's noise grows by from score 1 to 0.
    """

    strong: float = 0.4
    weak: float = 0.125
    birth: float = 0.6
    confirm_hits: int = 3
    confirm_s: float = 0.4
    keep_s: float = 2.5
    doubt_s: float = 0.6
    reach: float = 4.0
    reach_h: float = 0.6
    close_h: float = 0.5
    size_ratio: float = 1.5
    twin: float = 0.5
    score_noise: float = 7.0


ROW = np.dtype(
    [
        ("slot", np.int64),
        ("birth", np.int64),
        ("id", np.int64),
        ("hits", np.int64),
        ("first_ns", np.int64),
        ("seen_ns", np.int64),
        ("seen_seq", np.int64),
        ("score", np.float64),
        ("pos", np.float64, AXES),
        ("vel", np.float64, AXES),
        ("pp", np.float64, AXES),
        ("pv", np.float64, AXES),
        ("vv", np.float64, AXES),
    ]
)
"""One track. ``birth`` numbers all tracks of the table; ``id`` the confirmed ones of a camera, and is 0 before."""


class Tracker:
    """The tracks of all cameras of a worker, as rows of one table; a camera is known by its slot number."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.rows: NDArray[np.void] = np.zeros(0, ROW)
        self._births = 0

    def step(self, batch: Batch) -> Ints:
        """Advance the active cameras by one frame.

        Returns:
            Rows (N,) that were seen in this frame, in order; newborn ones are the last rows of the table.
        """
        here = np.flatnonzero(batch.active[self.rows["slot"]])
        rows = self.rows[here]
        ahead = predict(_motion(rows), _seconds(batch.now_ns[rows["slot"]] - rows["seen_ns"]))
        t, d, twins = self._match(rows, ahead, batch)
        seen = here[t]
        self._move(seen, _pick(ahead, t), batch, d)
        free = np.ones(len(batch.scores), np.bool_)
        free[d] = False
        free[twins] = False
        newborn = np.flatnonzero(free & (batch.scores >= self.tracking.birth))
        self._bear(newborn, batch)
        return np.concatenate([np.sort(seen), np.arange(len(self.rows) - len(newborn), len(self.rows))])

    def _match(self, rows: NDArray[np.void], ahead: Motion, batch: Batch) -> tuple[Ints, Ints, Ints]:
        """Tracks, their detections, and detections that see a matched person a second time."""
        how = self.tracking
        t, d = pairs(rows["slot"], batch.first, batch.count)
        feet = feet_of(batch.boxes)
        height = ahead.pos[t, 3]
        away = (feet[d, :2] - ahead.pos[t, :2]) / height[:, None]
        away *= away
        spread = away / (ahead.pp[t, :2] + MEASURED[:2] ** 2)
        square = away[:, 0] + away[:, 1]
        ratio = feet[d, 3] / height
        near = (spread[:, 0] + spread[:, 1] < how.reach**2) | (square < how.close_h**2)
        near &= square < how.reach_h**2
        near &= (ratio < how.size_ratio) & (ratio * how.size_ratio > 1.0) & (batch.scores[d] >= how.weak)
        t, d = t[near], d[near]
        shared = overlap(boxes_of(ahead.pos)[t], batch.boxes[d])
        # Confirmed tracks choose first, and among strong detections first.
        rank = np.where(rows["id"][t] > 0, 0.0, 2.0) + (batch.scores[d] < how.strong)
        cost = 1.0 - shared + np.sqrt(square[near]) + _RANK * rank
        chosen = assign(t, d, cost, len(rows), len(batch.scores))
        matched = np.zeros(len(rows), np.bool_)
        matched[t[chosen]] = True
        return t[chosen], d[chosen], d[(shared > how.twin) & matched[t]]

    def _move(self, seen: Ints, ahead: Motion, batch: Batch, d: Ints) -> None:
        """Update the rows ``seen``, predicted to be ``ahead``, with their detections ``d``."""
        rows = self.rows[seen]
        now = batch.now_ns[rows["slot"]]
        dt = _seconds(now - rows["seen_ns"])
        noise = 1.0 + self.tracking.score_noise * (1.0 - batch.scores[d])
        noise *= _ALIKE_S / np.clip(dt, _ALIKE_S / 10, _ALIKE_S)
        rows["score"] += (batch.scores[d] - rows["score"]) * (dt / (dt + _SCORE_S))
        rows["hits"] += 1
        rows["seen_ns"] = now
        rows["seen_seq"] = batch.seq[rows["slot"]]
        _store(rows, update(ahead, feet_of(batch.boxes[d]), noise))
        self.rows[seen] = rows

    def _bear(self, newborn: Ints, batch: Batch) -> None:
        rows = np.zeros(len(newborn), ROW)
        slot = batch.slot[newborn]
        rows["slot"] = slot
        rows["hits"] = 1
        rows["first_ns"] = rows["seen_ns"] = batch.now_ns[slot]
        rows["seen_seq"] = batch.seq[slot]
        rows["score"] = batch.scores[newborn]
        _store(rows, born(feet_of(batch.boxes[newborn])))
        self.add(rows)

    def add(self, rows: NDArray[np.void]) -> Ints:
        """Append tracks, ROW (N,), and give them birth numbers.

        Returns:
            Their birth numbers (N,).
        """
        rows["birth"] = np.arange(self._births, self._births + len(rows))
        self._births += len(rows)
        self.rows = np.concatenate([self.rows, rows])
        return rows["birth"]

    def keep(self, rows: Bools) -> None:
        """Drop the other rows."""
        self.rows = self.rows[rows]

    def ripe(self, rows: Ints) -> Ints:
        """Of these rows, those that now are seen often and long enough to be confirmed."""
        table = self.rows[rows]
        enough = (table["id"] == 0) & (table["hits"] >= self.tracking.confirm_hits)
        enough &= _seconds(table["seen_ns"] - table["first_ns"]) >= self.tracking.confirm_s
        return rows[enough]

    def stale(self, batch: Batch) -> Bools:
        """Rows (N,) whose person was not seen for so long that the track ends."""
        slot = self.rows["slot"]
        unseen = _seconds(batch.now_ns[slot] - self.rows["seen_ns"])
        keep = np.where(self.rows["id"] > 0, self.tracking.keep_s, self.tracking.doubt_s)
        return batch.active[slot] & (unseen > keep)


def _seconds(ns: Ints) -> Floats:
    return np.maximum(ns, 0) * 1e-9


def _motion(rows: NDArray[np.void]) -> Motion:
    return Motion(pos=rows["pos"], vel=rows["vel"], pp=rows["pp"], pv=rows["pv"], vv=rows["vv"])


def _pick(m: Motion, which: Ints) -> Motion:
    return Motion(pos=m.pos[which], vel=m.vel[which], pp=m.pp[which], pv=m.pv[which], vv=m.vv[which])


def _store(rows: NDArray[np.void], m: Motion) -> None:
    rows["pos"], rows["vel"], rows["pp"], rows["pv"], rows["vv"] = m.pos, m.vel, m.pp, m.pv, m.vv
