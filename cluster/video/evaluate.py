"""How right the counts of one video are, against ground-truth tracks."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from actors.counting.accuracy import Accuracy, Score, evaluate
from cluster.video.count import Counted, count_video
from schema.events import Crossing
from schema.geometry import Line, Scene
from schema.mot import MotFile
from schema.ports import Detector, FrameSource

WITHIN_FRAMES = 14
"""Two seconds of PETS09-S2L1, which was recorded at 7 frames a second."""


def evaluate_video(
    source: FrameSource,
    detector: Detector,
    lines: Sequence[Line],
    truth: MotFile,
    *,
    width_px: int,
    height_px: int,
    within_frames: int = WITHIN_FRAMES,
    detect_fps: float | None = None,
    watch: Callable[[Counted], None] | None = None,
) -> Accuracy:
    """Count a video and compare the crossings with the true ones.

    Args:
        source: the video's frames; closed at the end.
        detector: who finds people in them.
        lines: the lines to count by and to judge.
        truth: ground truth of the same video.
        width_px: width of the picture that ``truth`` is measured in.
        height_px: height of it.
        within_frames: how far a crossing may be from its truth.
        detect_fps: how many frames a second are looked at; None means all.
        watch: called with every frame that was looked at.

    Raises:
        BadInput: the file is not readable as video.
    """
    crossings: list[Crossing] = []

    def collect(counted: Counted) -> None:
        crossings.extend(counted.crossings)
        if watch is not None:
            watch(counted)

    count_video(source, detector, Scene(lines=tuple(lines)), detect_fps=detect_fps, watch=collect)
    return evaluate(crossings, truth, lines, width_px=width_px, height_px=height_px, within_frames=within_frames)


def as_json(accuracy: Accuracy) -> dict[str, Any]:
    """Scores per line and direction, and pooled, as plain values."""
    lines = [{"line": each.line, "direction": each.direction, **_figures(each.score)} for each in accuracy.lines]
    return {"lines": lines, "pooled": _figures(accuracy.pooled)}


def as_table(accuracy: Accuracy) -> Table:
    """Scores per line and direction, and pooled, for a terminal."""
    table = Table("line", "way", box=SIMPLE_HEAD)
    for heading in ("true", "found", "missed", "over", "precision", "recall", "F1", "error"):
        table.add_column(heading, justify="right")
    for each in accuracy.lines:
        table.add_row(each.line, each.direction, *_cells(each.score))
    table.add_section()
    table.add_row("all", "", *_cells(accuracy.pooled), style="bold")
    return table


def _figures(score: Score) -> dict[str, Any]:
    return {
        "must": score.must,
        "found": score.found,
        "missed": score.missed,
        "overcounted": score.overcounted,
        "ignored": score.ignored,
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "f1": round(score.f1, 4),
        "error": round(score.error, 4),
    }


def _cells(score: Score) -> list[str]:
    counts = (score.must, score.found, score.missed, score.overcounted)
    shares = (score.precision, score.recall, score.f1, score.error)
    return [str(count) for count in counts] + [f"{share:.3f}" for share in shares]
