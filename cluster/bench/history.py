"""How long a year of one camera takes by the hour, out of 150 million minutes that lie in their tiers."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import text

from cluster.bench.measure import Measure
from cluster.bench.years import DAYS, Years, filled
from schema.database import transaction
from schema.errors import Permanent
from schema.queries import counts
from schema.queries.counts import CountSeries, Resolution
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers.history import ArchivedCounts
from schema.times import DAY_NS, to_datetime
from serve_app.api.settling import settle

REQUESTS: Final = 300
CHECKED: Final = 3
LIMIT_MS: Final = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """A camera, and the days asked for."""

    camera_id: int
    from_ns: int
    days: int

    @property
    def to_ns(self) -> int:
        return self.from_ns + self.days * DAY_NS


def measure() -> list[Measure]:
    """99th percentiles over random cameras and times, after some answers were compared with their minutes."""
    random.seed(7)
    with filled() as store:
        year = _questions(store.camera_ids, store.first_ns, DAYS - 365, days=365)
        warm = _questions(store.camera_ids, store.first_ns, store.packed_days, days=1)
        cold = _questions(store.cold_camera_ids, store.cold_ns, store.cold_days, days=1)
        for question in year[:CHECKED]:
            _check(store, question)
        settle()  # as the API does
        return [
            _measure("history: a year by the hour", store, year, "hour"),
            _measure("history: a warm day by the minute", store, warm, "minute"),
            _measure("history: a cold day by the minute", store, cold, "minute"),
        ]


def _questions(camera_ids: Sequence[int], first_ns: int, begins: int, *, days: int) -> list[_Question]:
    """About random ones of these cameras, each beginning on one of the first ``begins`` days."""
    return [
        _Question(
            camera_id=random.choice(camera_ids),  # noqa: S311 - nothing is secret here
            from_ns=first_ns + random.randrange(begins) * DAY_NS,  # noqa: S311
            days=days,
        )
        for _ in range(REQUESTS)
    ]


def _answer(store: Years, question: _Question, resolution: Resolution) -> list[CountSeries]:
    """As the API answers it."""
    with transaction(store.engine, DEFAULT_TENANT_ID, one_snapshot=True) as session:
        return counts.series(
            session,
            from_ns=question.from_ns,
            to_ns=question.to_ns,
            resolution=resolution,
            camera_ids=[question.camera_id],
            fill=True,
            archived=ArchivedCounts(files=store.files),
        )


def _check(store: Years, question: _Question) -> None:
    """Every hour of the answer is the sum of its minutes."""
    found = {
        (one.rule, from_ns): tuple(sums)
        for one in _answer(store, question, "hour")
        for from_ns, sums in zip(one.from_ns.tolist(), one.sums.tolist(), strict=True)
        if any(sums)
    }
    with transaction(store.engine, DEFAULT_TENANT_ID) as session:
        rows = session.execute(
            _HOURS,
            {
                "camera_id": question.camera_id,
                "from": to_datetime(question.from_ns),
                "to": to_datetime(question.to_ns),
            },
        )
        expected = {(row.rule, row.at_s * 10**9): tuple(map(int, row[2:])) for row in rows}
    if found != expected or len(found) < question.days * 24:
        raise Permanent(f"hours of camera {question.camera_id} are not the sums of their minutes")


_HOURS: Final = text("""
select z.name as rule, extract(epoch from date_trunc('hour', n.bucket))::bigint as at_s, sum(n.count_in),
    sum(n.count_out), sum(n.effective_in), sum(n.effective_out), sum(n.appeared), sum(n.lost)
from counts_all n join zones z on z.id = n.zone_id
where n.camera_id = :camera_id and n.bucket >= :from and n.bucket < :to
group by 1, 2
""")


def _measure(name: str, store: Years, questions: Sequence[_Question], resolution: Resolution) -> Measure:
    took_ms: list[float] = []
    sizes: list[int] = []
    for question in questions:
        began_s = time.perf_counter()
        answer = _answer(store, question, resolution)
        took_ms.append((time.perf_counter() - began_s) * 1000)
        if not any(one.sums.any() for one in answer):
            raise Permanent(f"camera {question.camera_id} counted nothing")
        sizes.append(sum(len(one.sums) for one in answer))
    p99_ms = float(np.percentile(took_ms, 99))
    return Measure(
        name=name,
        value=p99_ms,
        unit="ms p99",
        reference=f"limit {LIMIT_MS:g} ms; median {np.median(took_ms):.1f} ms of {len(took_ms)}, each"
        f" {max(sizes):,} buckets out of {store.minutes:,} minutes",
        ratio=p99_ms / LIMIT_MS,
    )
