"""Minutes of counts as Arrow tables, out of arrays a line or zone: PostgreSQL gives those much faster than rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schema.tiers.kinds import COUNTS, TIME
from schema.tiers.packed import SUMS, PackedDay, unpack

_MINUTE_US = 60_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleDay:
    """What one line or zone counted on a UTC day.

    ``minutes`` is int64 (N,), 0..1439; ``sums`` is int64 (N, 7), columns as in ``SUMS``.
    """

    camera_id: int
    zone_id: int
    day: date
    minutes: NDArray[np.int64]
    sums: NDArray[np.int64]

    @classmethod
    def of_packed(cls, row: Any) -> "RuleDay":
        """A row of ``packed_days``."""
        packed = PackedDay(
            first_minute=row.first_minute,
            minutes=row.minutes,
            arrays={name: getattr(row, name) for name in SUMS},
        )
        minutes, sums = unpack(packed)
        return cls(camera_id=row.camera_id, zone_id=row.zone_id, day=row.day, minutes=minutes, sums=sums)


def table(days: Iterable[RuleDay]) -> pa.Table:
    """A row a minute, in the order given, with the columns of ``COUNTS``."""
    given = list(days)
    if not given:
        return COUNTS.schema.empty_table()
    lengths = [len(day.minutes) for day in given]
    since_us = [int(datetime.combine(day.day, time(), UTC).timestamp()) * 1_000_000 for day in given]
    at_us = np.repeat(since_us, lengths) + np.concatenate([day.minutes for day in given]) * _MINUTE_US
    columns = [
        pa.array(np.repeat([day.camera_id for day in given], lengths)),
        pa.array(np.repeat([day.zone_id for day in given], lengths)),
        pa.array(at_us).cast(TIME),
        *(pa.array(column) for column in np.concatenate([day.sums for day in given]).T.copy()),
    ]
    return pa.Table.from_arrays(columns, schema=COUNTS.schema)
