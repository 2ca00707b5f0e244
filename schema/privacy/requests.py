"""What a person had the workers do: jobs, and the exports that they made."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session


def open_jobs(session: Session, user_id: int) -> int:
    """How many of his jobs are still to be done."""
    return session.scalars(_OPEN, {"user_id": user_id}).one()


def cancel_jobs(session: Session, user_id: int) -> int:
    """Cancel those of his jobs that are still to be done; how many that were."""
    return len(session.scalars(_CANCEL, {"user_id": user_id}).all())


def ended_jobs(session: Session, user_id: int) -> int:
    """How many of his jobs are over."""
    return session.scalars(_ENDED, {"user_id": user_id}).one()


def delete_jobs(session: Session, user_id: int) -> int:
    """Delete those of his jobs that are over, with what was asked for and what came of it; how many that were."""
    return len(session.scalars(_DELETE, {"user_id": user_id}).all())


def exports(session: Session, user_id: int) -> Sequence[tuple[str, int]]:
    """Paths and sizes of the exports that he alone asked for, also of those whose row is gone already."""
    return [(row.path, row.size) for row in session.execute(_EXPORTS, {"user_id": user_id})]


def delete_export_rows(session: Session, paths: Sequence[str]) -> None:
    """Delete the rows of exports, so that their files can go."""
    session.execute(_DELETE_FILES, {"paths": list(paths)})


# What he asked for is his. That somebody is to be erased is not: it names that person by number, and goes on.
_HIS: Final = "requested_by = :user_id and kind <> 'erase'"
_OPEN: Final = text(f"select count(*) from jobs where {_HIS} and state in ('queued', 'running')")  # noqa: S608 - our own words
_CANCEL: Final = text(
    "update jobs set state = 'cancelled', finished_at = clock_timestamp()"  # noqa: S608 - our own words
    f" where {_HIS} and state in ('queued', 'running') returning id"
)
_ENDED: Final = text(f"select count(*) from jobs where {_HIS} and finished_at is not null")  # noqa: S608 - our own words
_DELETE: Final = text(f"delete from jobs where {_HIS} and finished_at is not null returning id")  # noqa: S608 - our own words
# The same content is one file, whoever asked for it.
_EXPORTS: Final = text("""
    select distinct result ->> 'path' as path, cast(result ->> 'size' as bigint) as size
    from jobs mine
    where mine.requested_by = :user_id and mine.kind = 'export' and mine.result ->> 'path' is not null
      and not exists (select from jobs other where other.kind = 'export'
        and other.requested_by is distinct from :user_id and other.result ->> 'path' = mine.result ->> 'path')
""")
_DELETE_FILES: Final = text("delete from files where kind = 'export' and path = any(:paths)")
