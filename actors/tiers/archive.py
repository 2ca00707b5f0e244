"""Rows → a month's file, and months' files → a year's: both write a new file out of what is there, and switch to it.

1. The file is entered in the list as ``writing``. Whoever is killed from here on leaves a file that nobody reads.
2. It is written: the rows that leave PostgreSQL and those of the files that it replaces, one camera after the other.
3. It is read back from the file store and compared with what went in: number of rows and checksum.
4. In one transaction, the rows are deleted, the file becomes current, and those before it obsolete. What PostgreSQL
   deleted must be what was written; if a row came or changed meanwhile, nothing happens, and the next run tries again.
5. Files that are obsolete are removed some time later.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

from actors.tiers.steps import Movers
from schema.database import transaction
from schema.errors import Permanent, StoreUnavailable
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
    left = Fingerprint()

    def tables() -> Iterator[pa.Table]:
        nonlocal left
        for camera_id in _cameras(movers, tenant_id, before, leaving):
            parts = [
                table
                for archive in before
                for table in parquet.read(movers.files, archive.path, kind, camera_ids=[camera_id])
            ]
            if leaving is not None:
                with transaction(movers.engine, tenant_id) as session:
                    parts.append(leaving.rows(session.connection(), camera_id))
                left += of_table(kind, parts[-1])
            yield merged(kind, parts)

    with _scratch_file() as file:
        written = parquet.write(file, kind, tables())
        file.seek(0)
        stored = movers.files.write(path, file, mime_type="application/vnd.apache.parquet")
    movers.tell(f"wrote the archive of {name}")
    if parquet.contents(movers.files, path, kind) != written:
        raise Permanent(f"the archive of {name} does not read back as it was written: nothing was moved")
    movers.tell(f"verified the archive of {name}")
    with transaction(movers.engine, tenant_id) as session:
        if leaving is not None and leaving.remove(session) != left:
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


def _cameras(movers: Movers, tenant_id: int, before: Iterable[Archive], leaving: Leaving | None) -> list[int]:
    """All cameras with rows, in the order that files have them."""
    found: set[int] = set()
    for archive in before:
        found |= parquet.cameras(movers.files, archive.path)
    if leaving is not None:
        with transaction(movers.engine, tenant_id) as session:
            found |= leaving.cameras(session)
    return sorted(found)


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
