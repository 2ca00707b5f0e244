"""Lets go of files whose time is over, and of what crashes left behind.

Rows go first and files second, each in a transaction of its own: a crash between them leaves a file without a row,
which ``find_orphans`` finds, and never a row without its file. A file is deleted under a lock that keeps others from
making a row for it at this moment, and only after another look that none has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine, delete, exists, func, select
from sqlalchemy.orm import Session

from schema.database import across_tenants
from schema.errors import BadInput
from schema.ports import FileInfo, FileStore
from schema.queries import files
from schema.storage.store import INCOMING
from schema.tables import EvidenceRow, FileRow, TenantRow
from schema.times import DAY_NS, to_datetime

GRACE_NS = 3600 * 10**9
"""Younger files and rows are left alone: somebody may be about to write the other half."""
_AT_ONCE = 500
_T = TypeVar("_T")
_FOLDERS = tuple(f"{number:02x}" for number in range(256))


@dataclass(frozen=True, kw_only=True, slots=True)
class Expired:
    """Pictures of crossings, and files with a date, whose time is over; ``bytes_freed`` of files that nobody shares."""

    pictures: int
    files: int
    bytes_freed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphans:
    """Files that no row names, and rows (id and path) whose file is gone; ``whole`` rows have theirs."""

    whole: int
    strays: tuple[FileInfo, ...]
    gone: tuple[tuple[int, str], ...]


def count_expired(engine: Engine, *, now_ns: int) -> Expired:
    """What ``expire`` would delete.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    with across_tenants(engine) as session:
        pictures = sum(
            session.scalar(select(func.count()).select_from(EvidenceRow).where(*_over(tenant, now_ns))) or 0
            for tenant in session.scalars(select(TenantRow))
        )
        dated = session.scalar(
            select(func.count()).select_from(FileRow).where(FileRow.expires_at < to_datetime(now_ns))
        )
    return Expired(pictures=pictures, files=dated or 0)


def expire(engine: Engine, store: FileStore, *, now_ns: int) -> Expired:
    """Delete pictures older than their tenant keeps them, files whose date has passed, and what they took.

    Raises:
        StoreUnavailable: PostgreSQL or the file store does not answer; repeating this goes on.
        Permanent: the file store refuses us.
    """
    pictures = dated = freed = 0
    with across_tenants(engine) as session:
        tenants = list(session.scalars(select(TenantRow)))
        session.expunge_all()
    for tenant in tenants:
        while True:
            with across_tenants(engine) as session:
                shown = _delete_pictures(session, tenant, now_ns)
                gone = _delete_unshown(session, shown)
            freed += delete_unnamed(engine, store, gone)
            pictures += len(shown)
            if len(shown) < _AT_ONCE:
                break
    while True:
        with across_tenants(engine) as session:
            gone = _delete_dated(session, now_ns)
        freed += delete_unnamed(engine, store, gone)
        dated += len(gone)
        if len(gone) < _AT_ONCE:
            return Expired(pictures=pictures, files=dated, bytes_freed=freed)


def find_orphans(engine: Engine, store: FileStore, *, now_ns: int) -> Orphans:
    """Look for files without rows and rows without files, in the part of the store that goes by checksum.

    Raises:
        StoreUnavailable: PostgreSQL or the file store does not answer.
        Permanent: the file store refuses us, or is gone.
    """
    old = now_ns - GRACE_NS
    strays = [info for info in store.list(INCOMING) if info.changed_ns < old]
    gone: list[tuple[int, str]] = []
    whole = 0
    for folder in _FOLDERS:
        with across_tenants(engine) as session:
            rows = files.in_folder(session, folder, before=to_datetime(old))
        found = {info.path: info for info in store.list(folder)}
        gone += [(row_id, path) for row_id, path in rows if path not in found]
        whole += len(rows)
        named = {path for _, path in rows}
        unnamed = [info for path, info in found.items() if path not in named and info.changed_ns < old]
        if unnamed:
            with across_tenants(engine) as session:
                named = {path for _, path in files.in_folder(session, folder)}
        strays += [info for info in unnamed if info.path not in named]
    return Orphans(whole=whole - len(gone), strays=tuple(strays), gone=tuple(gone))


def delete_orphans(engine: Engine, store: FileStore, orphans: Orphans) -> None:
    """Delete what ``find_orphans`` found, where it is still so.

    Raises:
        BadInput: every file that rows name is gone, which looks like the wrong storage; nothing was deleted.
        StoreUnavailable: PostgreSQL or the file store does not answer; repeating this goes on.
        Permanent: the file store refuses us.
    """
    if orphans.gone and not orphans.whole:
        raise BadInput(
            f"none of the {len(orphans.gone)} files that the database names is there: mount the storage, or correct"
            " storage.url; nothing was deleted"
        )
    gone = [row_id for row_id, path in orphans.gone if not store.exists(path)]
    delete_unnamed(engine, store, [(info.path, info.size) for info in orphans.strays])
    for batch in _batches(gone):
        with across_tenants(engine) as session:
            session.execute(delete(EvidenceRow).where(EvidenceRow.file_id.in_(batch)))
            session.execute(delete(FileRow).where(FileRow.id.in_(batch)))


def _over(tenant: TenantRow, now_ns: int):
    before = to_datetime(now_ns - tenant.evidence_days * DAY_NS)
    return EvidenceRow.tenant_id == tenant.id, EvidenceRow.created_at < before


def _delete_pictures(session: Session, tenant: TenantRow, now_ns: int) -> list[int]:
    """Delete some of a tenant's pictures whose time is over; gives the ids of their files."""
    chosen = select(EvidenceRow.id).where(*_over(tenant, now_ns)).order_by(EvidenceRow.created_at).limit(_AT_ONCE)
    return list(session.scalars(delete(EvidenceRow).where(EvidenceRow.id.in_(chosen)).returning(EvidenceRow.file_id)))


def _delete_unshown(session: Session, file_ids: Sequence[int]) -> list[tuple[str, int]]:
    """Delete the rows of those of these files that no picture uses any more; gives paths and sizes."""
    used = exists().where(EvidenceRow.tenant_id == FileRow.tenant_id, EvidenceRow.file_id == FileRow.id)
    statement = delete(FileRow).where(FileRow.id.in_(file_ids), ~used).returning(FileRow.path, FileRow.size)
    return [(path, size) for path, size in session.execute(statement)]


def _delete_dated(session: Session, now_ns: int) -> list[tuple[str, int]]:
    chosen = select(FileRow.id).where(FileRow.expires_at < to_datetime(now_ns)).limit(_AT_ONCE)
    statement = delete(FileRow).where(FileRow.id.in_(chosen)).returning(FileRow.path, FileRow.size)
    return [(path, size) for path, size in session.execute(statement)]


def delete_unnamed(engine: Engine, store: FileStore, gone: Sequence[tuple[str, int]]) -> int:
    """Delete those of these files, given as path and bytes, that no row names; gives how many bytes they took.

    Raises:
        StoreUnavailable: PostgreSQL or the file store does not answer; repeating this goes on.
        Permanent: the file store refuses us.
    """
    freed = 0
    for batch in _batches(gone):
        with across_tenants(engine) as session:
            files.lock_for_deleting(session)
            named = set(session.scalars(select(FileRow.path).where(FileRow.path.in_([path for path, _ in batch]))))
            for path, size in batch:
                if path not in named:
                    store.delete(path)
                    freed += size
    return freed


def _batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
