"""Zones of all cameras: who came in, went out, was there from the start."""

from collections.abc import Sequence

import numpy as np

from actors.counting.matching import Bools, Floats
from actors.counting.side import Seen, Sides, passing, settle
from schema.geometry import Zone


class Zones(Sides):
    """The polygons of every camera slot, padded to the longest list and the most corners.

    ``edges`` float64 (S, R, E, 4) are x, y of an edge's start and end; ``real`` bool (S, R, E) tells edges from
    padding; ``lift`` float64 (S, R) is the anchor above the foot in box heights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place(())

    def place(self, scenes: Sequence[Sequence[Zone]]) -> None:
        """Take the zones of all camera slots, in order of slots."""
        columns = max(map(len, scenes), default=0)
        corners = max((len(zone.polygon) for zones in scenes for zone in zones), default=0)
        self.edges: Floats = np.zeros((len(scenes), columns, corners, 4))
        self.real: Bools = np.zeros((len(scenes), columns, corners), np.bool_)
        self.lift: Floats = np.zeros((len(scenes), columns))
        for slot, zones in enumerate(scenes):
            for column, zone in enumerate(zones):
                ring = [(p.x, p.y) for p in zone.polygon]
                edges = [(*p, *q) for p, q in zip(ring, ring[1:] + ring[:1], strict=True)]
                self.edges[slot, column, : len(edges)] = edges
                self.real[slot, column, : len(edges)] = True
                self.lift[slot, column] = 0.5 if zone.anchor == "center" else 0.0
        self.widen(columns)

    def advance(self, seen: Seen) -> tuple[Bools, Bools]:
        """Bring the tracks seen up to date.

        Returns:
            Where (N, R) the border was crossed, and where a track was found inside that was never seen outside.
        """
        state = self.state[seen.row]
        anchor_y = seen.foot_y[:, None] - self.lift[seen.slot] * seen.height[:, None]
        depth = self._depth(seen, anchor_y)
        # A path from inside to outside always meets the border, for it has no ends.
        crossed, first = settle(state, depth, passing(state, depth), seen, anchor_y)
        self.state[seen.row] = state
        return crossed, first & (depth > 0)

    def _depth(self, seen: Seen, anchor_y: Floats) -> Floats:
        """Distance (N, R) from the border in picture heights, positive inside; 0 in columns that hold no zone."""
        edges, real = self.edges[seen.slot], self.real[seen.slot]
        aspect = seen.aspect[:, None, None]
        px, py = edges[..., 0] * aspect, edges[..., 1]
        dx, dy = edges[..., 2] * aspect - px, edges[..., 3] - py
        x, y = seen.foot_x[:, None, None] - px, anchor_y[:, :, None] - py
        square = np.where(real, dx * dx + dy * dy, 1.0)
        share = np.clip((x * dx + y * dy) / square, 0.0, 1.0)
        off_x, off_y = x - share * dx, y - share * dy
        nearest = np.min(np.where(real, off_x * off_x + off_y * off_y, np.inf), axis=2, initial=np.inf)
        # Even-odd rule: a ray to the right passes an odd number of edges from inside. Edges are half open in y, so a
        # ray through a corner passes it once.
        spans = (y < 0.0) != (y < dy)
        left = (x * dy < y * dx) == (dy > 0.0)
        inside = np.count_nonzero(real & spans & left, axis=2) % 2 == 1
        return np.where(inside, 1.0, -1.0) * np.sqrt(np.where(np.isinf(nearest), 0.0, nearest))
