"""The counts of one video as JSON and as a table for people."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from cluster.video.count import CountResult, RuleCount


def as_json(result: CountResult) -> dict[str, Any]:
    """All of a result as plain values; ``mean_dwell_s`` is null for a zone that nobody left."""
    return {
        "frames": result.frames,
        "seconds": round(result.seconds, 3),
        "fps": round(result.fps, 2),
        "lines": {name: _counts(count) for name, count in result.lines.items()},
        "zones": {name: _counts(count) | _stays(count) for name, count in result.zones.items()},
    }


def as_table(result: CountResult) -> RenderableType:
    """All of a result for a terminal."""
    blocks: list[RenderableType] = []
    if result.lines:
        table = _table("line")
        for name, count in result.lines.items():
            table.add_row(name, *_cells(count))
        blocks.append(table)
    if result.zones:
        table = _table("zone", "now inside", "mean stay")
        for name, count in result.zones.items():
            stay = "-" if count.mean_dwell_s is None else f"{count.mean_dwell_s:.1f} s"
            table.add_row(name, *_cells(count), str(count.totals.occupancy_change), stay)
        blocks.append(table)
    blocks.append(f"{result.frames} frames in {result.seconds:.1f} s, {result.fps:.1f} a second")
    return Group(*blocks)


def _counts(count: RuleCount) -> dict[str, Any]:
    totals = count.totals
    return {
        "in": totals.count_in,
        "out": totals.count_out,
        "effective_in": totals.effective_in,
        "effective_out": totals.effective_out,
    }


def _stays(count: RuleCount) -> dict[str, Any]:
    mean = count.mean_dwell_s
    return {
        "occupancy": count.totals.occupancy_change,
        "mean_dwell_s": None if mean is None else round(mean, 2),
    }


def _table(kind: str, *more: str) -> Table:
    table = Table(kind, box=SIMPLE_HEAD)
    for heading in ("in", "out", "effective in", "effective out", *more):
        table.add_column(heading, justify="right")
    return table


def _cells(count: RuleCount) -> list[str]:
    return [str(number) for number in _counts(count).values()]
