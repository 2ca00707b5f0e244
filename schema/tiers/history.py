"""The part of counts over time that lies in files: minutes that are cold or historical, and when cameras were watched.

``schema.queries.counts`` asks for it beside what PostgreSQL has. Both come from one snapshot, in which the list of
files and the rows in PostgreSQL belong together: nothing is missed or counted twice while rows move.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.errors import Permanent
from schema.ports import FileStore
from schema.queries.archived import Interval, Sums
from schema.tiers import archives, parquet
from schema.tiers.archives import Archive
from schema.tiers.duck import over
from schema.tiers.kinds import COUNTS, COVERAGE, Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedCounts:
    """Files of a store as ``schema.queries.archived.Archived``.

    Its methods raise ``Permanent`` if a file that is part of the answer is gone or damaged, saying which and of what
    time, and ``StoreUnavailable`` if the file store does not answer: an answer is whole, or there is none.
    """

    files: FileStore

    def counted(
        self, session: Session, zone_ids: Collection[int], *, from_at: datetime, to_at: datetime, step_s: int
    ) -> list[Sums]:
        """What versions of lines and zones counted in ``from_at`` <= time < ``to_at``, by steps of so many seconds."""
        found = archives.current(session, COUNTS.name, from_at=from_at, to_at=to_at)
        if not found or not zone_ids:
            return []
        camera_ids = set(session.scalars(_CAMERAS, {"zone_ids": list(zone_ids)}))
        query = _SUMMED.format(zone_ids=", ".join(map(str, zone_ids)), step_s=step_s, step_us=step_s * 1_000_000)
        return [
            row
            for archive in found
            for table in self._read(archive, COUNTS, camera_ids, from_at, to_at)
            for row in _rows(table, query)
        ]

    def watched(
        self, session: Session, camera_ids: Collection[int], *, from_at: datetime, to_at: datetime
    ) -> list[Interval]:
        """The intervals in which cameras were watched that have a part in ``from_at`` <= time < ``to_at``."""
        return [
            row
            for archive in archives.current(session, COVERAGE.name, from_at=from_at, to_at=to_at)
            # An interval is in the file of its begin, which may be long before.
            for table in self._read(archive, COVERAGE, camera_ids, None, to_at)
            for row in zip(*(table[name].to_pylist() for name in ("camera_id", "from_at", "to_at")), strict=True)
            if row[2] > from_at
        ]

    def _read(
        self,
        archive: Archive,
        kind: Kind,
        camera_ids: Collection[int],
        from_at: datetime | None,
        to_at: datetime,
    ) -> Iterator[pa.Table]:
        try:
            yield from parquet.read(
                self.files,
                archive.path,
                kind,
                archive.contents.groups,
                camera_ids=camera_ids,
                from_at=from_at,
                to_at=to_at,
            )
        except Permanent as error:
            raise Permanent(f"{kind.name} of {archive.period} cannot be read: {error}") from error


def _rows(table: pa.Table, query: str) -> list[Any]:
    with over(table) as connection:
        return connection.sql(query).fetchall()


_CAMERAS: Final = text("select distinct camera_id from zones where id = any(:zone_ids)")

_SUMMED: Final = """
select zone_id, epoch_us(bucket) // {step_us} * {step_s} as at_s, sum(count_in)::BIGINT,
    sum(count_out)::BIGINT, sum(count_in - undone_in)::BIGINT, sum(count_out - undone_out)::BIGINT,
    sum(appeared)::BIGINT, sum(lost)::BIGINT, sum(dwell_ms) / 1000.0, null
from given where zone_id in ({zone_ids}) group by zone_id, at_s
"""
