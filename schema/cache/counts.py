"""Counts over time out of the cache: exactly what PostgreSQL would answer, without summing up again.

Every question is asked of one snapshot of PostgreSQL. Its first statement reads the *state*: which rules are asked for,
how many crossings each has ever counted, and the times in which the cameras were watched. State and question together
name the answer, so whatever lies under that name is right, and nobody has to be told when something changes: the next
reader computes another name. ``schema.cache.touched`` keeps the name of past days while today goes on.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from redis import Redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.cache.answers import Answers, digest_of
from schema.cache.client import Cache, CacheAway
from schema.cache.families import TOUCHED
from schema.cache.touched import day_of, state_name
from schema.events import Totals
from schema.queries import counts
from schema.queries.counts import SECONDS, CountBucket, Resolution
from schema.queries.history import HISTORY
from schema.times import to_datetime

_FORMAT = 1
"""Grows when the form of a kept answer changes, so that two releases do not read each other's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """What an answer depends on. ``names`` and ``watched`` are compared as they are; ``crossings`` is by rule id."""

    history: str
    names: str
    watched: str
    crossings: dict[int, int]


class CachedCounts:
    """``schema.queries.counts`` with a memory. Safe to call from several threads."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._answers = Answers(cache)

    def buckets(
        self,
        session: Session,
        tenant_id: int,
        *,
        from_ns: int,
        to_ns: int,
        resolution: Resolution,
        camera_ids: Collection[int] | None = None,
        rules: Collection[str] | None = None,
        fill: bool = False,
    ) -> Sequence[CountBucket]:
        """What ``counts.buckets`` gives for the same arguments, in the same order.

        Args:
            session: a transaction of this tenant in one snapshot (``transaction(…, one_snapshot=True)``).
            tenant_id: whose counts.
            from_ns: as ``counts.buckets`` takes it, and so are the others.
            to_ns: see there.
            resolution: see there.
            camera_ids: see there.
            rules: see there.
            fill: see there.

        Raises:
            BadInput: as ``counts.buckets`` does.
        """

        def fetch() -> bytes:
            found = counts.buckets(
                session,
                from_ns=from_ns,
                to_ns=to_ns,
                resolution=resolution,
                camera_ids=camera_ids,
                rules=rules,
                fill=fill,
            )
            return _pack(found)

        step_ns = SECONDS[resolution] * 10**9
        first_ns, last_ns = from_ns // step_ns * step_ns, -(-to_ns // step_ns) * step_ns
        if to_ns <= from_ns:
            return _unpack(fetch())  # which says what is wrong with it
        state = _read_state(session, first_ns, last_ns, camera_ids, rules)
        question = (_FORMAT, "counts", first_ns, last_ns, resolution, fill)
        digest = digest_of(
            *question, state.history, state.names, state.watched, self._sums_of(state, first_ns, last_ns)
        )
        return _unpack(self._answers.get(tenant_id, digest, fetch))

    def _sums_of(self, state: _State, first_ns: int, last_ns: int) -> list[tuple[int, int]]:
        """A name for the state of each rule's sums in this time."""
        first_day, last_day = day_of(first_ns), day_of(last_ns - 1)

        def logs(redis: Redis) -> list[dict[bytes, bytes]]:
            with redis.pipeline(transaction=False) as pipeline:
                for rule_id in state.crossings:
                    pipeline.hgetall(TOUCHED.key(rule_id))
                return pipeline.execute()

        try:
            known = self._cache.ask(logs)
        except CacheAway:
            known = [{} for _ in state.crossings]
        return [
            (
                rule_id,
                state_name(log, history=state.history, crossings=number, first_day=first_day, last_day=last_day),
            )
            for (rule_id, number), log in zip(state.crossings.items(), known, strict=True)
        ]


# The rules just as ``counts.buckets`` chooses them. Of the watched time only what lies in the time asked for: that of a
# past day stays the same while the camera goes on being watched.
_STATE: Final = text(
    """
with rules as (
    select z.id, z.camera_id, c.name as camera, z.name as rule, z.type, z.retired_at,
        coalesce(t.count_in + t.count_out + t.appeared + t.lost, 0) as crossings
    from zones z join cameras c on c.id = z.camera_id left join zone_totals t on t.zone_id = z.id
    where (cast(:camera_ids as bigint[]) is null or z.camera_id = any(:camera_ids))
      and (cast(:rules as text[]) is null or z.name = any(:rules))
), watched as (
    select v.camera_id, greatest(v.from_at, :from) as from_at, least(v.to_at, :to) as to_at from coverage v
    where v.from_at < :to and v.to_at > :from and v.camera_id in (select camera_id from rules)
)
select {history} as history,
    (select md5(string_agg(concat_ws('/', id, camera_id, camera, rule, type, retired_at), ',' order by id))
        from rules) as names,
    (select md5(string_agg(concat_ws('/', camera_id, from_at, to_at), ',' order by camera_id, from_at, to_at))
        from watched) as watched,
    (select json_object_agg(id, crossings) from rules) as crossings
""".replace("{history}", HISTORY)
)


def _read_state(
    session: Session, first_ns: int, last_ns: int, camera_ids: Collection[int] | None, rules: Collection[str] | None
) -> _State:
    row = session.execute(
        _STATE,
        {
            "from": to_datetime(first_ns),
            "to": to_datetime(last_ns),
            "camera_ids": None if camera_ids is None else list(camera_ids),
            "rules": None if rules is None else list(rules),
        },
    ).one()
    return _State(
        history=row.history,
        names=row.names or "",
        watched=row.watched or "",
        crossings={int(rule_id): number for rule_id, number in sorted((row.crossings or {}).items())},
    )


def _pack(found: Sequence[CountBucket]) -> bytes:
    return json.dumps([[*_flat(bucket)] for bucket in found], separators=(",", ":")).encode()


def _unpack(answer: bytes) -> list[CountBucket]:
    return [
        CountBucket(
            camera_id=camera_id,
            camera=camera,
            rule=rule,
            kind=kind,
            from_ns=from_ns,
            to_ns=to_ns,
            covered_s=covered_s,
            totals=Totals(**dict(zip(_SUMS, sums, strict=True))),
        )
        for camera_id, camera, rule, kind, from_ns, to_ns, covered_s, *sums in json.loads(answer)
    ]


_SUMS: Final = tuple(asdict(Totals()))


def _flat(bucket: CountBucket) -> tuple[Any, ...]:
    sums = (getattr(bucket.totals, name) for name in _SUMS)
    return (
        bucket.camera_id,
        bucket.camera,
        bucket.rule,
        bucket.kind,
        bucket.from_ns,
        bucket.to_ns,
        bucket.covered_s,
        *sums,
    )
