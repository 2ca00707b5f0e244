"""Crossings folded into minutes. Only additions: in whatever portions they come, the sums are the same."""

from collections import defaultdict
from collections.abc import Iterable

from schema.events import Bucket, Crossing, Totals
from schema.times import MINUTE_NS


def fold(crossings: Iterable[Crossing]) -> list[Bucket]:
    """What each rule counted in each minute, sorted by rule and minute.

    A crossing that undoes another counts raw in its own minute, and takes the other's effective count back in the
    other's minute.
    """
    sums: dict[tuple[int, int, int], Totals] = defaultdict(Totals)
    for crossing in crossings:
        for at_ns, change in _changes(crossing):
            sums[crossing.rule_id, at_ns - at_ns % MINUTE_NS, crossing.camera_id] += change
    return [
        Bucket(camera_id=camera_id, rule_id=rule_id, minute_ns=minute_ns, totals=totals)
        for (rule_id, minute_ns, camera_id), totals in sorted(sums.items(), key=lambda item: item[0])
    ]


def _changes(crossing: Crossing) -> Iterable[tuple[int, Totals]]:
    dwell_s = crossing.dwell_s or 0.0
    if crossing.cause == "appeared":
        yield crossing.occurred_ns, Totals(appeared=1, dwell_s=dwell_s)
        return
    if crossing.cause == "lost":
        yield crossing.occurred_ns, Totals(lost=1, dwell_s=dwell_s)
        return
    effective = crossing.undoes is None
    if crossing.direction == "in":
        yield crossing.occurred_ns, Totals(count_in=1, effective_in=int(effective), dwell_s=dwell_s)
    else:
        yield crossing.occurred_ns, Totals(count_out=1, effective_out=int(effective), dwell_s=dwell_s)
    if crossing.undoes_ns is not None:
        # Undone by the opposite direction.
        undone = Totals(effective_out=-1) if crossing.direction == "in" else Totals(effective_in=-1)
        yield crossing.undoes_ns, undone
