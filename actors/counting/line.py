"""Lines of all cameras: who crossed which one, which way."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actors.counting.matching import Bools, Floats
from actors.counting.side import Seen, Sides, passing, settle
from schema.geometry import Line

GEOMETRY = np.dtype(
    [
        ("ax", np.float64),
        ("ay", np.float64),
        ("bx", np.float64),
        ("by", np.float64),
        ("way", np.float64),  # 1, or -1 for a flipped line
        ("lift", np.float64),  # anchor above the foot, in box heights
    ]
)


class Lines(Sides):
    """The lines of every camera slot, padded to the longest list: ``geometry`` is GEOMETRY (S, R)."""

    def __init__(self) -> None:
        super().__init__()
        self.geometry: NDArray[np.void] = np.zeros((0, 0), GEOMETRY)

    def place(self, scenes: Sequence[Sequence[Line]]) -> None:
        """Take the lines of all camera slots, in order of slots."""
        self.geometry = np.zeros((len(scenes), max(map(len, scenes), default=0)), GEOMETRY)
        for slot, lines in enumerate(scenes):
            for column, line in enumerate(lines):
                way, lift = -1.0 if line.flip else 1.0, 0.5 if line.anchor == "center" else 0.0
                self.geometry[slot, column] = (line.a.x, line.a.y, line.b.x, line.b.y, way, lift)
        self.widen(self.geometry.shape[1])

    def advance(self, seen: Seen) -> Bools:
        """Bring the tracks seen up to date, and tell where (N, R) a crossing was confirmed."""
        state = self.state[seen.row]
        line = self.geometry[seen.slot]
        anchor_y = seen.foot_y[:, None] - line["lift"] * seen.height[:, None]
        across, along = _coordinates(line, seen, anchor_y)
        passes = passing(state, across)
        # Where the step met the line, as a share of the line: interpolated between the last position and this one.
        gone = state["across"] - across
        share = state["across"] / np.where(passes, gone, 1.0)
        at = state["along"] + share * (along - state["along"])
        state["along"] = along
        crossed, _ = settle(state, across, passes & (at >= 0.0) & (at <= 1.0), seen, anchor_y)
        self.state[seen.row] = state
        return crossed


def _coordinates(line: NDArray[np.void], seen: Seen, anchor_y: Floats) -> tuple[Floats, Floats]:
    """Distance to the "in" side in picture heights, and place along the segment; columns that hold no line give 0."""
    aspect = seen.aspect[:, None]
    dx, dy = (line["bx"] - line["ax"]) * aspect, line["by"] - line["ay"]
    x, y = seen.foot_x[:, None] - line["ax"] * aspect, anchor_y - line["ay"]
    square = dx * dx + dy * dy
    square = np.where(square > 0.0, square, 1.0)
    return line["way"] * (y * dx - x * dy) / np.sqrt(square), (x * dx + y * dy) / square
