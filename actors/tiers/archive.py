"""Rows → a month's file, and months' files → a year's: both write a new file out of what is there, and switch to it.

1. The file is entered in the list as ``writing``. Whoever is killed from here on leaves a file that nobody reads.
2. It is written: the rows that leave PostgreSQL and those of the files that it replaces, one camera after the other.
3. It is read back from the file store and compared with what went in: number of rows and checksum.
4. In one transaction, the rows are deleted, the file becomes current, and those before it obsolete. What PostgreSQL
   deleted must be what was written; if a row came or changed meanwhile, nothing happens, and the next run tries again.
5. Files that are obsolete are removed some time later.
"""

import heapq
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import BinaryIO

import pyarrow as pa

from actors.tiers.pace import resting
from actors.tiers.steps import Movers
from schema.database import transaction
from schema.errors import StoreUnavailable
from schema.tiers import archives, parquet
from schema.tiers.archives import Archive, Period
from schema.tiers.checksum import Fingerprint, of_table
from schema.tiers.kinds import Kind
from schema.tiers.leaving import Leaving
from schema.tiers.merging import merged


def archive_month(movers: Movers, tenant_id: int, leaving: Leaving) -> None:
    """Move the rows of a month into its file; one that is there already is written anew with them.

    Raises:
        Permanent: the file does not read back as it was written, or the one before it is damaged; nothing was moved.
        StoreUnavailable: the file store or PostgreSQL does not answer or is full, or a row came meanwhile; safe to
            repeat.
    """
    period = leaving.period
    with transaction(movers.engine, tenant_id) as session:
        before = [found for found in archives.current(session, leaving.kind.name) if found.period == period]
    _write(movers, tenant_id, leaving.kind, period, before, leaving)


def merge_year(movers: Movers, tenant_id: int, kind: Kind, year: Period, months: Sequence[Archive]) -> None:
    """Join months' files into their year's, with the one that is there already.

    Raises:
        Permanent: the file does not read back as it was written, or one before it is damaged; nothing was moved.
        StoreUnavailable: the file store or PostgreSQL does not answer, or is full; safe to repeat.
    """
    with transaction(movers.engine, tenant_id) as session:
        before = [found for found in archives.current(session, kind.name) if found.period == year]
    _write(movers, tenant_id, kind, year, [*before, *months], None)


def _write(
    movers: Movers, tenant_id: int, kind: Kind, period: Period, before: Sequence[Archive], leaving: Leaving | None
) -> None:
    name = f"{kind.name} of {period}"
    with transaction(movers.engine, tenant_id) as session:
        archive_id, path = archives.begin(session, tenant_id, kind.name, period)
    movers.tell(f"began the archive of {name}")
    moving = _Moving(movers, tenant_id, kind, before, leaving)
    with _scratch_file() as file:
        written = parquet.write(file, kind, resting(moving.tables()))
        file.seek(0)
        stored = movers.files.write(path, file, mime_type="application/vnd.apache.parquet")
    movers.tell(f"wrote the archive of {name}")
    parquet.verify(movers.files, path, kind, written)
    movers.tell(f"verified the archive of {name}")
    with transaction(movers.engine, tenant_id) as session:
        if leaving is not None and leaving.remove(session) != moving.left(written.fingerprint):
            raise StoreUnavailable(f"{name} changed while they were archived: the next run takes them")
        archives.switch(
            session,
            archive_id,
            written,
            stored.size,
            replaces=[archive.id for archive in before],
            now_ns=movers.now_ns,
        )
    movers.tell(f"switched to the archive of {name}")


class _Moving:
    """The rows of a file to be, camera by camera."""

    def __init__(
        self, movers: Movers, tenant_id: int, kind: Kind, before: Sequence[Archive], leaving: Leaving | None
    ) -> None:
        self._movers, self._tenant_id, self._kind = movers, tenant_id, kind
        self._before, self._leaving = before, leaving
        self._left = Fingerprint()

    def left(self, written: Fingerprint) -> Fingerprint:
        """What came from PostgreSQL, of all that was written."""
        return self._left if self._before else written

    def tables(self) -> Iterator[pa.Table]:
        """Sorted, each row once, a table a camera."""
        sources = [parquet.by_camera(self._archived(archive)) for archive in self._before]
        if self._leaving is not None:
            sources.append(self._rows(self._leaving))
        for _, of_camera in groupby(heapq.merge(*sources, key=itemgetter(0)), key=itemgetter(0)):
            parts = [table for _, table in of_camera]
            yield parts[0] if len(parts) == 1 else merged(self._kind, parts)

    def _archived(self, archive: Archive) -> Iterator[pa.Table]:
        return parquet.read(self._movers.files, archive.path, self._kind, archive.contents.groups)

    def _rows(self, leaving: Leaving) -> Iterator[tuple[int, pa.Table]]:
        with transaction(self._movers.engine, self._tenant_id) as session:
            camera_ids = leaving.cameras(session)
        for camera_id in sorted(camera_ids):
            with transaction(self._movers.engine, self._tenant_id) as session:
                table = leaving.rows(session.connection(), camera_id)
            if self._before:
                self._left += of_table(self._kind, table)
            yield camera_id, table


@contextmanager
def _scratch_file() -> Iterator[BinaryIO]:
    """A file on this machine, gone afterwards: the file store takes whole files only."""
    try:
        with tempfile.TemporaryFile(prefix="turnstile-archive-") as file:
            yield file
    except OSError as error:
        if error.errno is None:
            raise
        raise StoreUnavailable(f"an archive cannot be written in {tempfile.gettempdir()}: {error.strerror}") from error
