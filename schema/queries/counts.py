"""Counts over time, and beside every count how long the camera really was watched."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.events import Totals
from schema.queries import counted, watched
from schema.queries.archived import Archived
from schema.queries.counted import Counted
from schema.queries.steps import SECONDS, Resolution, Steps

__all__ = ["SECONDS", "CountBucket", "CountSeries", "Resolution", "buckets", "series"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CountBucket:
    """What one line or zone, by name, counted in ``from_ns`` <= time < ``to_ns``, whatever its version was then.

    The camera was watched for ``covered_s`` of these seconds: a count of 0 beside 0 covered seconds says nothing.
    """

    camera_id: int
    camera: str
    rule: str
    kind: Literal["line", "zone"]
    from_ns: int
    to_ns: int
    totals: Totals
    covered_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CountSeries:
    """All buckets of one line or zone, by name, in order of time; element ``i`` of each array is of bucket ``i``.

    Attributes:
        camera_id: whose line or zone it is.
        camera: the camera's name.
        rule: the name of the line or zone.
        kind: which of the two it is.
        from_ns: int64 (N,), where buckets begin.
        to_ns: int64 (N,), where they end.
        sums: int64 (N, 6), count_in, count_out, effective_in, effective_out, appeared, lost.
        dwell_s: float64 (N,).
        covered_s: float64 (N,), how long the camera was watched.
    """

    camera_id: int
    camera: str
    rule: str
    kind: Literal["line", "zone"]
    from_ns: NDArray[np.int64]
    to_ns: NDArray[np.int64]
    sums: NDArray[np.int64]
    dwell_s: NDArray[np.float64]
    covered_s: NDArray[np.float64]

    def buckets(self) -> list[CountBucket]:
        """The same as one value a bucket."""
        columns = (self.from_ns, self.to_ns, *self.sums.T, self.dwell_s, self.covered_s)
        return [
            CountBucket(
                camera_id=self.camera_id,
                camera=self.camera,
                rule=self.rule,
                kind=self.kind,
                from_ns=from_ns,
                to_ns=to_ns,
                totals=Totals(
                    count_in=count_in,
                    count_out=count_out,
                    effective_in=effective_in,
                    effective_out=effective_out,
                    appeared=appeared,
                    lost=lost,
                    dwell_s=dwell_s,
                ),
                covered_s=covered_s,
            )
            for (
                from_ns, to_ns, count_in, count_out, effective_in, effective_out, appeared, lost, dwell_s, covered_s
            ) in zip(*(column.tolist() for column in columns), strict=True)
        ]  # fmt: skip


def buckets(
    session: Session,
    *,
    from_ns: int,
    to_ns: int,
    resolution: Resolution,
    camera_ids: Collection[int] | None = None,
    rules: Collection[str] | None = None,
    fill: bool = False,
    archived: Archived | None = None,
) -> list[CountBucket]:
    """Counts in order of camera, rule and time, one value a bucket; takes and raises what ``series`` does."""
    found = series(
        session,
        from_ns=from_ns,
        to_ns=to_ns,
        resolution=resolution,
        camera_ids=camera_ids,
        rules=rules,
        fill=fill,
        archived=archived,
    )
    return [bucket for one in found for bucket in one.buckets()]


def series(
    session: Session,
    *,
    from_ns: int,
    to_ns: int,
    resolution: Resolution,
    camera_ids: Collection[int] | None = None,
    rules: Collection[str] | None = None,
    fill: bool = False,
    archived: Archived | None = None,
) -> list[CountSeries]:
    """Counts in order of camera and rule.

    Hours and longer come from the roll-ups, and from the minutes where these are not up to date; shorter buckets from
    the minutes.

    Args:
        session: where to read.
        from_ns: begin of the time asked for; rounded down to a whole bucket.
        to_ns: its end; rounded up to a whole bucket.
        resolution: length of a bucket.
        camera_ids: of these cameras, or of all.
        rules: at lines and zones of these names, or at all.
        fill: give buckets in which nothing was counted too, for every rule not retired before ``from_ns``.
        archived: where minutes are that have left PostgreSQL, and then the session must be in one snapshot; without
            it, the answer has none of them.

    Raises:
        BadInput: the time ends before it begins, or is too long for the resolution (``Steps.covering``).
        Permanent: archived minutes that are part of the answer cannot be read.
        StoreUnavailable: they cannot be read for now.
    """
    steps = Steps.covering(resolution, from_ns=from_ns, to_ns=to_ns)
    asked = _asked(session, steps, camera_ids, rules)
    found = counted.read(session, [zone_id for rule in asked for zone_id in rule.zone_ids], steps, archived)
    numbers = _numbers(found, [rule.zone_ids for rule in asked])
    added = _added(found, numbers * steps.count + steps.place(found.at_s))
    row_cameras = np.array([rule.camera_id for rule in asked], np.int64)[numbers]
    covered = _covered(session, found, row_cameras, asked, steps, archived)
    cuts = np.searchsorted(added.keys, np.arange(len(asked) + 1) * steps.count).tolist()
    result: list[CountSeries] = []
    for number, (rule, cut) in enumerate(zip(asked, pairwise(cuts), strict=True)):
        mine = added.cut(*cut, key=number * steps.count)
        if fill and (rule.in_force or len(mine.keys)):
            mine = mine.filled(steps.count)
        if len(mine.keys):
            result.append(_series(rule, mine, steps, covered.get(rule.camera_id)))
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """A line or zone by name, with all its versions; one of them may be in force or not."""

    camera_id: int
    camera: str
    rule: str
    kind: Literal["line", "zone"]
    zone_ids: list[int]
    in_force: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Added:
    """Sums by a key that grows: first by the number of a rule and its bucket, then by the bucket alone."""

    keys: NDArray[np.int64]
    sums: NDArray[np.int64]
    dwell_s: NDArray[np.float64]

    def cut(self, begin: int, end: int, *, key: int) -> "_Added":
        """A part, whose keys are counted from ``key``."""
        part = slice(begin, end)
        return _Added(keys=self.keys[part] - key, sums=self.sums[part], dwell_s=self.dwell_s[part])

    def filled(self, count: int) -> "_Added":
        """The same for all keys below ``count``, with zeros where there is nothing."""
        sums, dwell_s = np.zeros((count, self.sums.shape[1]), np.int64), np.zeros(count)
        sums[self.keys], dwell_s[self.keys] = self.sums, self.dwell_s
        return _Added(keys=np.arange(count), sums=sums, dwell_s=dwell_s)


def _asked(
    session: Session, steps: Steps, camera_ids: Collection[int] | None, rules: Collection[str] | None
) -> list[_Rule]:
    rows = session.execute(
        _RULES,
        {
            "from": steps.bounds["from"],
            "camera_ids": None if camera_ids is None else list(camera_ids),
            "rules": None if rules is None else list(rules),
        },
    )
    return [
        _Rule(
            camera_id=row.camera_id,
            camera=row.camera,
            rule=row.rule,
            kind=row.kind,
            zone_ids=row.zone_ids,
            in_force=row.in_force,
        )
        for row in rows
    ]


# When a rule was made does not matter: recordings are older than the rules they are counted by.
_RULES: Final = text("""
select z.camera_id, c.name as camera, z.name as rule, case max(z.type) when 'line' then 'line' else 'zone' end as kind,
    array_agg(z.id) as zone_ids, bool_or(z.retired_at is null or z.retired_at > :from) as in_force
from zones z join cameras c on c.id = z.camera_id
where (cast(:camera_ids as bigint[]) is null or z.camera_id = any(:camera_ids))
  and (cast(:rules as text[]) is null or z.name = any(:rules))
group by z.camera_id, c.name, z.name
order by c.name, z.camera_id, z.name
""")


def _numbers(found: Counted, zone_ids: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Which rule, by its place in the list, each row is of."""
    numbers = {zone_id: number for number, versions in enumerate(zone_ids) for zone_id in versions}
    known = np.array(sorted(numbers), np.int64)
    return np.array([numbers[zone_id] for zone_id in known.tolist()], np.int64)[np.searchsorted(known, found.zone_ids)]


def _added(found: Counted, keys: NDArray[np.int64]) -> _Added:
    """Rows of the same key as one; keys without any count are left out."""
    order = np.argsort(keys, kind="stable")
    unique, starts = np.unique(keys[order], return_index=True)
    sums = np.add.reduceat(found.sums[order], starts)
    dwell_s = np.add.reduceat(found.dwell_s[order], starts)
    counted_any = sums.any(axis=1) | (dwell_s != 0)
    return _Added(keys=unique[counted_any], sums=sums[counted_any], dwell_s=dwell_s[counted_any])


def _covered(
    session: Session,
    found: Counted,
    row_cameras: NDArray[np.int64],
    asked: Sequence[_Rule],
    steps: Steps,
    archived: Archived | None,
) -> dict[int, NDArray[np.float64]]:
    """Seconds watched in each bucket, by camera: as the intervals say, and as roll-ups saw it before these left."""
    fine = steps.days if steps.resolution == "week" else steps
    # Roll-ups remember what they saw; minutes have nothing but the intervals.
    elsewhere = archived if SECONDS[steps.resolution] < SECONDS["hour"] else None
    covered = dict(watched.read(session, {rule.camera_id for rule in asked}, fine, elsewhere))
    rolled_up = ~np.isnan(found.covered_s)
    for camera_id in np.unique(row_cameras[rolled_up]).tolist():
        rows = rolled_up & (row_cameras == camera_id)
        seconds = covered.setdefault(camera_id, np.zeros(fine.count))
        np.maximum.at(seconds, fine.place(found.at_s[rows]), found.covered_s[rows])
    if steps.resolution == "week":
        return {camera_id: seconds.reshape(-1, 7).sum(axis=1) for camera_id, seconds in covered.items()}
    return covered


def _series(rule: _Rule, added: _Added, steps: Steps, covered_s: NDArray[np.float64] | None) -> CountSeries:
    edges_ns = steps.edges_s * 10**9
    return CountSeries(
        camera_id=rule.camera_id,
        camera=rule.camera,
        rule=rule.rule,
        kind=rule.kind,
        from_ns=edges_ns[added.keys],
        to_ns=edges_ns[added.keys + 1],
        sums=added.sums,
        dwell_s=added.dwell_s,
        covered_s=np.zeros(len(added.keys)) if covered_s is None else covered_s[added.keys],
    )
