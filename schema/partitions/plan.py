"""What is to be done about partitions, decided without touching any."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from schema.partitions.layout import LAYOUTS, Layout, Partitioned, Span, period_of, span_from


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One table as it is."""

    partitions: Collection[Span]
    """The times that have a partition."""
    strays: Collection[datetime]
    """Periods, by their first instant, whose rows lie in the DEFAULT partition though they could have their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """``create`` makes an empty partition; ``settle`` makes one and moves the rows of its time into it."""

    kind: Literal["create", "settle"]
    table: Partitioned
    span: Span


def due(found: Mapping[str, Found], now_ns: int) -> tuple[Action, ...]:
    """What is to be done now, the nearest time first.

    Time that any partition covers is left alone: versions before 0.2 divided ``counting_results`` by month.

    Args:
        found: by table; a table that is not in it is left out.
        now_ns: nanoseconds since 1970 UTC.
    """
    actions = [action for layout in LAYOUTS if layout.table in found for action in _due(layout, found, now_ns)]
    return tuple(sorted(actions, key=lambda action: action.kind))


def _due(layout: Layout, found: Mapping[str, Found], now_ns: int) -> Iterator[Action]:
    there = found[layout.table]
    strays = [span_from(layout.table, first) for first in sorted(there.strays)]
    wanted = [span for span in islice(_from_now(layout, now_ns), 1 + layout.ahead) if span not in strays]
    for span in wanted:
        if span.has_partition and not any(span.overlaps(other) for other in there.partitions):
            yield Action(kind="create", table=layout.table, span=span)
    for span in strays:
        if span.has_partition and not any(span.overlaps(other) for other in there.partitions):
            yield Action(kind="settle", table=layout.table, span=span)


def _from_now(layout: Layout, now_ns: int) -> Iterator[Span]:
    span = span_from(layout.table, period_of(layout.table, now_ns))
    while True:
        yield span
        span = span_from(layout.table, span.last)
