"""How right the counts are: crossings found against ground-truth tracks.

A ground-truth track crosses a line when its anchor goes from beyond a band on one side to beyond the band on the
other, and its path in between meets the segment. With a band of ``MUST_BAND`` box heights these crossings *must* be
found; with no band at all, those that *may* be found. The frame of a crossing is the last one in which the anchor
changed side. One prediction matches one truth of the same line and direction, not further than ``within_frames``
away; a prediction that only matches a *may* is neither right nor wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schema.events import Crossing, Direction
from schema.geometry import Line
from schema.mot import MotFile

MUST_BAND = 0.25
"""Box heights that a person stays clear of the line, before and after, for the crossing to be beyond dispute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """A true crossing: ``frame`` from 1; ``must`` be found, or else it only may."""

    line: str
    direction: Direction
    frame: int
    must: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a set of predictions compares with the truth; ``ignored`` ones matched only a crossing that may be found."""

    must: int
    found: int
    overcounted: int
    ignored: int

    @property
    def missed(self) -> int:
        """Crossings that must be found and were not."""
        return self.must - self.found

    @property
    def precision(self) -> float:
        """Share of the judged predictions that are right; 1 where there are none."""
        judged = self.found + self.overcounted
        return self.found / judged if judged else 1.0

    @property
    def recall(self) -> float:
        """Share of the crossings that must be found that were; 1 where there are none."""
        return self.found / self.must if self.must else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        wrong = self.missed + self.overcounted
        return 2 * self.found / (2 * self.found + wrong) if self.found or wrong else 1.0

    @property
    def error(self) -> float:
        """Missed and overcounted crossings, not netted, over those that must be found."""
        return (self.missed + self.overcounted) / self.must if self.must else float(self.overcounted)

    def __add__(self, other: "Score") -> "Score":
        """Pool two scores."""
        return Score(
            must=self.must + other.must,
            found=self.found + other.found,
            overcounted=self.overcounted + other.overcounted,
            ignored=self.ignored + other.ignored,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LineScore:
    """The score of one line in one direction."""

    line: str
    direction: Direction
    score: Score


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """Scores per line and direction, and all of them pooled."""

    lines: tuple[LineScore, ...]
    pooled: Score


def evaluate(
    predictions: Iterable[Crossing],
    truth: MotFile,
    lines: Sequence[Line],
    *,
    width_px: int,
    height_px: int,
    within_frames: int,
) -> Accuracy:
    """Compare predicted crossings with ground-truth tracks.

    Args:
        predictions: crossings of one run over the sequence; those of other rules than ``lines`` are left out.
        truth: ground truth of the sequence; rows with confidence 0 are left out, as MOTChallenge asks.
        lines: the lines to judge.
        width_px: width of the picture that ``truth`` is measured in.
        height_px: height of it.
        within_frames: how many frames a prediction may be away from its truth.
    """
    truths = [crossing for line in lines for crossing in true_crossings(truth, line, width_px, height_px)]
    found = [(crossing.rule, crossing.direction, crossing.frame) for crossing in predictions]
    scores: list[LineScore] = []
    for line in lines:
        for direction in ("in", "out"):
            here = [t for t in truths if (t.line, t.direction) == (line.name, direction)]
            frames = sorted(frame for name, way, frame in found if (name, way) == (line.name, direction))
            scores.append(LineScore(line=line.name, direction=direction, score=_score(here, frames, within_frames)))
    pooled = Score(must=0, found=0, overcounted=0, ignored=0)
    for each in scores:
        pooled += each.score
    return Accuracy(lines=tuple(scores), pooled=pooled)


def true_crossings(truth: MotFile, line: Line, width_px: int, height_px: int) -> list[Truth]:
    """Crossings of one line that must, and that may, be found; a crossing that must be found is listed once."""
    result: list[Truth] = []
    counted = truth.rows(truth.conf > 0)
    for track in np.unique(counted.id):
        rows = counted.rows(counted.id == track)
        must = _crossings(rows, line, width_px, height_px, MUST_BAND)
        may = _crossings(rows, line, width_px, height_px, 0.0)
        for frame, direction in sorted(must | may):
            sure = (frame, direction) in must
            result.append(Truth(line=line.name, direction=direction, frame=frame, must=sure))
    return result


def _crossings(rows: MotFile, line: Line, width_px: int, height_px: int, band: float) -> set[tuple[int, Direction]]:
    """Frame and direction of each crossing of one track, whose rows are in order of frames."""
    height = rows.boxes[:, 3] - rows.boxes[:, 1]
    x = (rows.boxes[:, 0] + rows.boxes[:, 2]) / 2
    y = rows.boxes[:, 3] - (height / 2 if line.anchor == "center" else 0.0)
    across, along = _line_coordinates(x, y, line, width_px, height_px)
    crossings: set[tuple[int, Direction]] = set()
    side, met, changed, last = 0.0, False, 0, 0
    for k in range(len(rows.frame)):
        now = np.sign(across[k])
        if now and np.sign(across[last]) and now != np.sign(across[last]):
            share = across[last] / (across[last] - across[k])
            met = met or bool(0.0 <= along[last] + share * (along[k] - along[last]) <= 1.0)
            changed = k
        if now:
            last = k
        if now and abs(across[k]) > band * height[k]:
            if side and now != side and met:
                crossings.add((int(rows.frame[changed]), "in" if (now > 0) != line.flip else "out"))
            side, met = now, False
    return crossings


def _line_coordinates(
    x: NDArray[np.float64], y: NDArray[np.float64], line: Line, width_px: int, height_px: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels to the right of the walker a -> b, and how far along the segment, 0 at a and 1 at b."""
    ax, ay, bx, by = line.a.x * width_px, line.a.y * height_px, line.b.x * width_px, line.b.y * height_px
    dx, dy = bx - ax, by - ay
    length = float(np.hypot(dx, dy))
    return ((y - ay) * dx - (x - ax) * dy) / length, ((x - ax) * dx + (y - ay) * dy) / length**2


def _score(truths: Sequence[Truth], frames: Sequence[int], within_frames: int) -> Score:
    """Match as many *must* truths as possible, then as many *may* ones as the rest allows."""
    # An augmenting path never unmatches a truth, so matching the musts first costs none of them, and the size of the
    # matching does not depend on the order of anything (Kuhn's algorithm).
    owner: dict[int, int] = {}
    order = sorted(range(len(truths)), key=lambda k: (not truths[k].must, truths[k].frame))
    near = [[j for j, frame in enumerate(frames) if abs(frame - t.frame) <= within_frames] for t in truths]
    matched = [k for k in order if _augment(k, near, owner, set())]
    found = sum(truths[k].must for k in matched)
    must = sum(t.must for t in truths)
    return Score(must=must, found=found, ignored=len(matched) - found, overcounted=len(frames) - len(matched))


def _augment(k: int, near: Sequence[Sequence[int]], owner: dict[int, int], seen: set[int]) -> bool:
    for j in near[k]:
        if j not in seen:
            seen.add(j)
            if j not in owner or _augment(owner[j], near, owner, seen):
                owner[j] = k
                return True
    return False
