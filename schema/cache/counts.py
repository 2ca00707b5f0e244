"""Counts over time out of the cache: exactly what PostgreSQL would answer, without summing up again.

Every question is asked of one snapshot of PostgreSQL. Its first statement reads the *state* of all that the answer
depends on: the rules asked for, the revision of each of their days, and when the cameras were watched, also as roll-ups
remember it. A day's revision grows in the very transaction that stores a crossing of that day. State and question
together name the answer, so whatever lies under that name is right, and nobody has to be told when something changes:
the next reader computes another name. There is no moment at which an old answer could be given, and answers about past
days last while today goes on.

Moving what has aged to other tiers changes no sums, and so no names.
"""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.cache.answers import Answers, digest_of
from schema.cache.client import Cache
from schema.cache.flags import CACHED_COUNTS, Flags
from schema.queries import counts
from schema.queries.archived import Archived
from schema.queries.counts import CountSeries, Resolution
from schema.queries.history import HISTORY
from schema.queries.steps import Steps
from schema.times import DAY_NS, to_datetime

_FORMAT = 2
"""Grows when the form of a kept answer changes, so that two releases do not read each other's."""


class CachedCounts:
    """``schema.queries.counts`` with a memory. Safe to call from several threads."""

    def __init__(
        self,
        cache: Cache,
        flags: Flags,
        *,
        archived: Archived | None = None,
        on_answer: Callable[[bool], None] = lambda _remembered: None,
    ) -> None:
        """Remember nothing but what lies in Redis.

        Args:
            cache: where answers lie.
            flags: whether to remember at all.
            archived: where minutes are that have left PostgreSQL.
            on_answer: told of every answer whether it was remembered, for metrics.
        """
        self._answers = Answers(cache, on_answer=on_answer)
        self._flags = flags
        self._archived = archived

    def series(
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
    ) -> list[CountSeries]:
        """What ``counts.series`` gives for the same arguments, in the same order.

        Args:
            session: a transaction of this tenant in one snapshot (``transaction(…, one_snapshot=True)``).
            tenant_id: whose counts.
            from_ns: as ``counts.series`` takes it, and so are the others.
            to_ns: see there.
            resolution: see there.
            camera_ids: see there.
            rules: see there.
            fill: see there.

        Raises:
            BadInput: as ``counts.series`` does.
        """

        def fetch() -> list[CountSeries]:
            return counts.series(
                session,
                from_ns=from_ns,
                to_ns=to_ns,
                resolution=resolution,
                camera_ids=camera_ids,
                rules=rules,
                fill=fill,
                archived=self._archived,
            )

        # A time that ends before it begins is refused there.
        if to_ns <= from_ns or not self._flags.on(CACHED_COUNTS):
            return fetch()
        first_ns, last_ns = Steps.covering(resolution, from_ns=from_ns, to_ns=to_ns).ends_ns
        state = _read_state(session, first_ns, last_ns, camera_ids, rules)
        digest = digest_of("counts", _FORMAT, first_ns, last_ns, resolution, fill, *state)
        return _unpack(self._answers.get(tenant_id, digest, lambda: _pack(fetch())))


# The rules just as ``counts.series`` chooses them. Of the watched time only what lies in the time asked for: that of a
# past day stays the same while the camera goes on being watched.
_STATE: Final = text(
    """
with rules as (
    select z.id, z.camera_id, c.name as camera, z.name as rule, z.type, z.retired_at
    from zones z join cameras c on c.id = z.camera_id
    where (cast(:camera_ids as bigint[]) is null or z.camera_id = any(:camera_ids))
      and (cast(:rules as text[]) is null or z.name = any(:rules))
), days as (
    select zone_id, timestamp, revision, covered_s from analytics
    where type = 'counts' and period = 'day' and timestamp >= :first_day and timestamp < :to
      and zone_id in (select id from rules)
), watched as (
    select v.camera_id, greatest(v.from_at, :from) as from_at, least(v.to_at, :to) as to_at from coverage v
    where v.from_at < :to and v.to_at > :from and v.camera_id in (select camera_id from rules)
)
select {history} as history,
    (select md5(string_agg(concat_ws('/', id, camera_id, camera, rule, type, retired_at), ',' order by id))
        from rules) as rules,
    (select md5(string_agg(concat_ws('/', zone_id, timestamp, revision, covered_s), ',' order by zone_id, timestamp))
        from days) as days,
    (select md5(string_agg(concat_ws('/', camera_id, from_at, to_at), ',' order by camera_id, from_at, to_at))
        from watched) as watched
""".replace("{history}", HISTORY)
)


def _read_state(
    session: Session, first_ns: int, last_ns: int, camera_ids: Collection[int] | None, rules: Collection[str] | None
) -> tuple[str | None, ...]:
    """History, rules, days and watched times, each as a text that differs where they do; None where there are none."""
    row = session.execute(
        _STATE,
        {
            "from": to_datetime(first_ns),
            "first_day": to_datetime(first_ns // DAY_NS * DAY_NS),
            "to": to_datetime(last_ns),
            "camera_ids": None if camera_ids is None else list(camera_ids),
            "rules": None if rules is None else list(rules),
        },
    ).one()
    return tuple(row)


def _pack(found: Sequence[CountSeries]) -> bytes:
    """What each series is, as JSON behind its length, and then all columns as they lie in memory."""
    head = json.dumps([[one.camera_id, one.camera, one.rule, one.kind, len(one.from_ns)] for one in found]).encode()
    columns = (getattr(one, name) for one in found for name, _, _ in _COLUMNS)
    return b"".join([len(head).to_bytes(_LENGTH), head, *(column.tobytes() for column in columns)])


def _unpack(answer: bytes) -> list[CountSeries]:
    end = _LENGTH + int.from_bytes(answer[:_LENGTH])
    found: list[CountSeries] = []
    for camera_id, camera, rule, kind, count in json.loads(answer[_LENGTH:end]):
        columns: dict[str, NDArray[Any]] = {}
        for name, kept_as, width in _COLUMNS:
            column = np.frombuffer(answer, kept_as, count * width, end)
            end += column.nbytes
            columns[name] = column if width == 1 else column.reshape(count, width)
        found.append(CountSeries(camera_id=camera_id, camera=camera, rule=rule, kind=kind, **columns))
    return found


_LENGTH: Final = 4
_COLUMNS: Final = (
    ("from_ns", np.int64, 1),
    ("to_ns", np.int64, 1),
    ("sums", np.int64, 6),
    ("dwell_s", np.float64, 1),
    ("covered_s", np.float64, 1),
)
"""The arrays of a ``CountSeries``: name, type, and how many numbers a bucket."""
