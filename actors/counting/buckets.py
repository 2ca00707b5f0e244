"""Crossings summed up: by minute for the store, by rule for a report.

Every crossing adds the same amounts whenever and with whatever else it is summed, so batches and flushes may be cut
anywhere and arrive in any order.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

from schema.events import Bucket, Crossing, Totals

MINUTE_NS = 60_000_000_000


@dataclass(slots=True)
class _Sum:
    """A ``Totals`` that grows."""

    count_in: int = 0
    count_out: int = 0
    effective_in: int = 0
    effective_out: int = 0
    appeared: int = 0
    lost: int = 0
    dwell_s: float = 0.0

    def totals(self) -> Totals:
        return Totals(
            count_in=self.count_in,
            count_out=self.count_out,
            effective_in=self.effective_in,
            effective_out=self.effective_out,
            appeared=self.appeared,
            lost=self.lost,
            dwell_s=self.dwell_s,
        )


def buckets(crossings: Iterable[Crossing]) -> list[Bucket]:
    """Sum crossings up per camera, rule and minute in which they occurred, sorted by these."""
    sums: dict[tuple[int, int, int], _Sum] = defaultdict(_Sum)
    for crossing in crossings:
        camera_id, rule_id, at_ns = crossing.camera_id, crossing.rule_id, crossing.occurred_ns
        _add(crossing, sums[camera_id, rule_id, at_ns - at_ns % MINUTE_NS])
        if crossing.undoes_ns is not None:
            _take_back(crossing, sums[camera_id, rule_id, crossing.undoes_ns - crossing.undoes_ns % MINUTE_NS])
    return [
        Bucket(camera_id=key[0], rule_id=key[1], minute_ns=key[2], totals=total.totals())
        for key, total in sorted(sums.items(), key=itemgetter(0))
    ]


def totals_by_rule(crossings: Iterable[Crossing]) -> dict[str, Totals]:
    """Sum crossings of one camera up per name of the rule; rules that nobody crossed are absent."""
    sums: dict[str, _Sum] = defaultdict(_Sum)
    for crossing in crossings:
        _add(crossing, sums[crossing.rule])
        if crossing.undoes_ns is not None:
            _take_back(crossing, sums[crossing.rule])
    return {rule: total.totals() for rule, total in sums.items()}


def _add(crossing: Crossing, total: _Sum) -> None:
    if crossing.cause == "appeared":
        total.appeared += 1
        return
    total.dwell_s += crossing.dwell_s or 0.0
    kept = crossing.undoes is None
    if crossing.cause == "lost":
        total.lost += 1
    elif crossing.direction == "in":
        total.count_in += 1
        total.effective_in += kept
    else:
        total.count_out += 1
        total.effective_out += kept


def _take_back(crossing: Crossing, undone: _Sum) -> None:
    """A crossing inwards undoes one outwards, and the other way round."""
    if crossing.direction == "in":
        undone.effective_out -= 1
    else:
        undone.effective_in -= 1
