"""Crossings summed up: by minute for the store, by rule for a report.

Every crossing adds the same amounts whenever and with whatever else it is summed, so batches and flushes may be cut
anywhere and arrive in any order.
"""

from collections.abc import Iterable, Iterator

from schema.events import Bucket, Crossing, Totals

MINUTE_NS = 60_000_000_000


def buckets(crossings: Iterable[Crossing]) -> list[Bucket]:
    """Sum crossings up per camera, rule and minute in which they occurred, sorted by these."""
    sums: dict[tuple[int, int, int], Totals] = {}
    for crossing in crossings:
        for at_ns, totals in _shares(crossing):
            key = (crossing.camera_id, crossing.rule_id, at_ns - at_ns % MINUTE_NS)
            sums[key] = sums.get(key, Totals()) + totals
    return [
        Bucket(camera_id=camera_id, rule_id=rule_id, minute_ns=minute_ns, totals=sums[camera_id, rule_id, minute_ns])
        for camera_id, rule_id, minute_ns in sorted(sums)
    ]


def totals_by_rule(crossings: Iterable[Crossing]) -> dict[str, Totals]:
    """Sum crossings of one camera up per name of the rule; rules that nobody crossed are absent."""
    sums: dict[str, Totals] = {}
    for crossing in crossings:
        for _, totals in _shares(crossing):
            sums[crossing.rule] = sums.get(crossing.rule, Totals()) + totals
    return sums


def _shares(crossing: Crossing) -> Iterator[tuple[int, Totals]]:
    """What a crossing adds, and at which time: its own count, and what it takes back from the one it undoes."""
    dwell_s = crossing.dwell_s or 0.0
    if crossing.cause == "appeared":
        yield crossing.occurred_ns, Totals(appeared=1)
    elif crossing.cause == "lost":
        yield crossing.occurred_ns, Totals(lost=1, dwell_s=dwell_s)
    else:
        inward = crossing.direction == "in"
        kept = int(crossing.undoes is None)
        yield (
            crossing.occurred_ns,
            Totals(count_in=1, effective_in=kept, dwell_s=dwell_s)
            if inward
            else Totals(count_out=1, effective_out=kept, dwell_s=dwell_s),
        )
        if crossing.undoes_ns is not None:
            yield crossing.undoes_ns, Totals(effective_out=-1) if inward else Totals(effective_in=-1)
