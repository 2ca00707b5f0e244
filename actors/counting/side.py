"""Which side of a border each track is on, with hysteresis: someone who jitters on the border stays where they were.

A confirmed side changes only when the anchor is beyond a band on the other side::

          side A      |  band  |  band  |      side B
    ------------------+--------+--------+------------------
         confirmed A           ^          confirmed B
                             border

The crossing happened in the frame in which the anchor last changed side, and it counts only if the path, somewhere
between the two confirmed sides, went through the border itself. Positions are in picture heights, bands in box
heights. One row a track, one column a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.counting.matching import Bools, Floats, Ints

BAND_H = 0.2
"""How far beyond the border a person must be to have changed side."""

FIRST_BAND_H = 0.1
"""The same for the side on which a new track starts: less, because it may be born close to the border."""

SIDE = np.dtype(
    [
        ("side", np.int8),  # confirmed: 1 is the side that "in" leads to, -1 the other, 0 not known yet
        ("raw", np.int8),  # where the anchor was when last seen, without a band; 0 before it was seen
        ("met", np.bool_),  # the path has met the border since the confirmed side was left
        ("across", np.float64),  # signed distance from the border when last seen
        ("along", np.float64),  # place along a line when last seen: 0 at a, 1 at b
        ("changed_ns", np.int64),
        ("changed_seq", np.int64),
        ("x", np.float64),  # anchor in that frame
        ("y", np.float64),
    ]
)
"""One track at one rule; ``changed_*``, ``x`` and ``y`` are the first frame, or the last in which ``raw`` changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The tracks seen in this frame: ``row``, ``slot``, ``now_ns``, ``seq`` int64 (N,), the rest float64 (N,)."""

    row: Ints
    slot: Ints
    now_ns: Ints
    seq: Ints
    aspect: Floats
    foot_x: Floats
    foot_y: Floats
    height: Floats


class Sides:
    """The sides of all tracks at all rules of one kind: ``state`` is SIDE (tracks, rules).

    A camera's rules are its first columns; the columns are as many as the camera with the most rules needs.
    """

    def __init__(self) -> None:
        self.state: NDArray[np.void] = np.zeros((0, 0), SIDE)

    def grow(self, newborn: int) -> None:
        """Append rows for new tracks."""
        if newborn:
            self.state = np.concatenate([self.state, np.zeros((newborn, self.state.shape[1]), SIDE)])

    def keep(self, rows: Bools) -> None:
        """Drop the other rows."""
        self.state = self.state[rows]

    def widen(self, columns: int) -> None:
        """Make room for exactly so many rules."""
        common = min(columns, self.state.shape[1])
        state = np.zeros((len(self.state), columns), SIDE)
        state[:, :common] = self.state[:, :common]
        self.state = state

    def put(self, rows: Ints, saved: NDArray[np.void], columns: Sequence[int | None]) -> None:
        """Fill rows from ``saved``, whose column ``columns[k]`` belongs to rule k now; None starts afresh."""
        self.state[rows] = np.zeros((), SIDE)
        for k, column in enumerate(columns):
            if column is not None:
                self.state[rows, k] = saved[:, column]


def passing(state: NDArray[np.void], across: Floats) -> Bools:
    """Where (N, R) the anchor is on another side of the border than when it was last seen."""
    return state["raw"] * across < 0


def settle(state: NDArray[np.void], across: Floats, met: Bools, seen: Seen, anchor_y: Floats) -> tuple[Bools, Bools]:
    """Bring the sides up to date, in place.

    Args:
        state: SIDE (N, R).
        across: float64 (N, R), signed distance of the anchor from the border, 0 where a column holds no rule.
        met: bool (N, R), the step to this frame went through the border.
        seen: the tracks.
        anchor_y: float64 (N, R), y of the point that each rule follows.

    Returns:
        Two bool arrays (N, R): confirmed crossings, and sides confirmed for the first time.
    """
    raw = np.where(across == 0, state["raw"], np.sign(across)).astype(np.int8)
    changed = state["raw"] != raw
    state["met"] |= met
    state["across"] = across
    state["raw"] = raw
    np.copyto(state["changed_ns"], seen.now_ns[:, None], where=changed)
    np.copyto(state["changed_seq"], seen.seq[:, None], where=changed)
    np.copyto(state["x"], seen.foot_x[:, None], where=changed)
    np.copyto(state["y"], anchor_y, where=changed)
    unknown = state["side"] == 0
    beyond = np.abs(across) > np.where(unknown, FIRST_BAND_H, BAND_H) * seen.height[:, None]
    crossed = beyond & ~unknown & (state["side"] != raw) & state["met"]
    np.copyto(state["side"], raw, where=beyond)
    state["met"] &= ~beyond
    return crossed, beyond & unknown
