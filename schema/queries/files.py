"""Files that rows know of: keeping them, finding them, and letting go of them.

A file of the content-addressed part of the store may have rows of several tenants, and is deleted when the last one is
gone. Whoever adds a row holds a shared lock from before the file is written until the row is committed, and whoever
deletes files holds it alone, so that no file is deleted that somebody is just adding a row for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal, cast

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from schema.ports import FileStore, Stored
from schema.tables import FileRow
from schema.times import to_datetime, to_ns

FileKind = Literal["evidence", "export", "archive", "upload"]

_LOCK = 7_463_004


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptFile:
    """A file and what is known of it; ``expires_ns`` None means that it stays until nothing needs it."""

    id: int
    kind: FileKind
    filename: str
    path: str
    size: int
    mime_type: str
    sha256: str
    created_ns: int
    expires_ns: int | None


def keep(
    session: Session,
    store: FileStore,
    content: bytes | BinaryIO,
    *,
    kind: FileKind,
    filename: str,
    mime_type: str,
    expires_ns: int | None = None,
) -> KeptFile:
    """Keep content under its checksum, with a row of the session's tenant.

    The same content of the same kind again is the same file; it then expires when the later of both does.

    Raises:
        StoreUnavailable: the store does not answer or is full.
        Permanent: the store refuses us.
    """
    lock_for_adding(session)
    stored = store.put(content, mime_type=mime_type)
    return add(session, stored, kind=kind, filename=filename, mime_type=mime_type, expires_ns=expires_ns)


def add(
    session: Session,
    stored: Stored,
    *,
    kind: FileKind,
    filename: str,
    mime_type: str,
    expires_ns: int | None = None,
) -> KeptFile:
    """Make a row for a file with a name of its own, or bring the one that it has up to date."""
    values = {
        "filename": filename,
        "size": stored.size,
        "mime_type": mime_type,
        "sha256": stored.sha256,
        "expires_at": None if expires_ns is None else to_datetime(expires_ns),
    }
    statement = insert(FileRow).values(kind=kind, path=stored.path, **values)
    # What never expires is later than whatever does.
    later = func.greatest(
        func.coalesce(FileRow.expires_at, text("'infinity'")),
        func.coalesce(statement.excluded.expires_at, text("'infinity'")),
    )
    statement = statement.on_conflict_do_update(
        constraint="uq_files_tenant_id_kind_path",
        set_={**values, "expires_at": func.nullif(later, text("'infinity'"))},
    )
    return _kept(session.scalars(statement.returning(FileRow), execution_options={"populate_existing": True}).one())


def add_all(session: Session, stored: Mapping[str, Stored], *, kind: FileKind, mime_type: str) -> dict[str, int]:
    """Make rows for files that lie under their checksum and never expire by themselves, where they have none yet.

    Args:
        session: it holds the lock for adding since before the files were written.
        stored: the files by filename.
        kind: of all of them.
        mime_type: of all of them.

    Returns:
        Ids of the rows by path.
    """
    rows = [
        {
            "kind": kind,
            "filename": filename,
            "path": file.path,
            "size": file.size,
            "mime_type": mime_type,
            "sha256": file.sha256,
        }
        for filename, file in stored.items()
    ]
    session.execute(insert(FileRow).on_conflict_do_nothing(constraint="uq_files_tenant_id_kind_path"), rows)
    paths = [file.path for file in stored.values()]
    found = select(FileRow.path, FileRow.id).where(FileRow.kind == kind, FileRow.path.in_(paths))
    return {path: row_id for path, row_id in session.execute(found)}


def listing(session: Session, *, kind: FileKind | None = None, limit: int = 100) -> list[KeptFile]:
    """The tenant's files, newest first."""
    query = select(FileRow).order_by(FileRow.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(FileRow.kind == kind)
    return [_kept(row) for row in session.scalars(query)]


def in_folder(session: Session, folder: str, *, before: datetime | None = None) -> list[tuple[int, str]]:
    """Ids and paths of rows whose file lies below a folder, whoever's they are; for the system's role.

    Args:
        session: of the system's role.
        folder: without a slash at the end.
        before: only rows that were made earlier.
    """
    rows = select(FileRow.id, FileRow.path).where(FileRow.path.like(f"{folder}/%"))
    if before is not None:
        rows = rows.where(FileRow.created_at < before)
    return [(row_id, path) for row_id, path in session.execute(rows)]


def lock_for_adding(session: Session) -> None:
    """Until the transaction ends, nobody deletes a file; others may add."""
    session.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def lock_for_deleting(session: Session) -> None:
    """Until the transaction ends, nobody adds or deletes a file."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _kept(row: FileRow) -> KeptFile:
    return KeptFile(
        id=row.id,
        kind=cast(FileKind, row.kind),
        filename=row.filename,
        path=row.path,
        size=row.size,
        mime_type=row.mime_type,
        sha256=row.sha256,
        created_ns=to_ns(row.created_at),
        expires_ns=None if row.expires_at is None else to_ns(row.expires_at),
    )
