"""What a benchmark says."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One figure, and how it stands to the reference that was measured in the same run (``ratio``: value over it)."""

    name: str
    value: float
    unit: str
    reference: str
    ratio: float


def medians(repeats: int, measures: Sequence[Callable[[], float]]) -> list[float]:
    """Run the measures in turn, ``repeats`` rounds, and give the median of each: neighbours share the same noise."""
    rounds = [[measure() for measure in measures] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]
