"""How long cameras were watched in each of many buckets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.queries.archived import Archived, Interval
from schema.queries.steps import Steps


def read(
    session: Session, camera_ids: Collection[int], steps: Steps, archived: Archived | None
) -> Mapping[int, NDArray[np.float64]]:
    """Seconds in which each camera was watched, float64 (N,) for the N buckets; without ``archived``, what is at hand.

    Runs of a camera that overlap count once. Cameras that were not watched at all are absent.
    """
    from_at, to_at = (cast(datetime, steps.bounds[name]) for name in ("from", "to"))
    more: Sequence[Interval] = (
        () if archived is None else archived.watched(session, camera_ids, from_at=from_at, to_at=to_at)
    )
    values = {
        "camera_ids": list(camera_ids),
        "more_cameras": [camera_id for camera_id, _, _ in more],
        "more_from": [begin for _, begin, _ in more],
        "more_to": [end for _, _, end in more],
    }
    rows = session.execute(_SPANS, {**values, **steps.bounds})
    edges = (steps.edges_s - steps.edges_s[0]).astype(np.float64)
    return {row.camera_id: _seconds(np.array(row.begins_s), np.array(row.ends_s), edges) for row in rows}


def _seconds(
    begins_s: NDArray[np.float64], ends_s: NDArray[np.float64], edges_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What spans that are in order and apart have in common with each bucket.

    The time watched so far is a line that rises within spans and is level between them: a bucket's share is by how
    much it rises from one edge to the next.
    """
    times = np.stack([begins_s, ends_s], axis=1).ravel()
    lengths = np.cumsum(ends_s - begins_s)
    so_far = np.stack([lengths - (ends_s - begins_s), lengths], axis=1).ravel()
    return np.diff(np.interp(edges_s, times, so_far))


_SPANS: Final = text("""
select camera_id,
    array_agg(extract(epoch from lower(span) - :from)::double precision order by span) as begins_s,
    array_agg(extract(epoch from upper(span) - :from)::double precision order by span) as ends_s
from (
    select camera_id, unnest(range_agg(tstzrange(from_at, to_at))) as span
    from (
        select camera_id, from_at, to_at from coverage
        where from_at < :to and to_at > :from and camera_id = any(:camera_ids)
        union all
        select * from unnest(
            cast(:more_cameras as bigint[]), cast(:more_from as timestamptz[]), cast(:more_to as timestamptz[]))
    ) intervals
    group by camera_id
) spans
group by camera_id
""")
