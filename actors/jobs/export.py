"""Crossings or counts of a span of time, as one CSV or Parquet file in the file storage.

The file is named by its content, so an export that is done twice is one file. It is made page by page in a temporary
file: how long the span is does not matter to memory.
"""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from actors.jobs.export_file import MIME_TYPES, writer
from actors.jobs.export_rows import pages
from actors.jobs.task import Task
from schema.database import transaction
from schema.jobs import ExportArguments
from schema.ports import FileStore
from schema.queries import files
from schema.times import to_text

KEEP_DAYS: Final = 7
"""How long an export can be fetched."""


def export(task: Task, *, engine: Engine, store: FileStore, now_ns: int) -> dict[str, Any]:
    """Do an export.

    Args:
        task: with ``ExportArguments``.
        engine: PostgreSQL.
        store: where archives lie, and where the file goes.
        now_ns: the time, from which the file is kept ``KEEP_DAYS``.

    Returns:
        ``file_id``, ``filename``, ``path`` and ``sha256`` of the file, its ``size`` in bytes, its number of ``rows``
        and when it ``expires_at``.

    Raises:
        BadInput: there is no such camera.
        Permanent: archived rows that belong to it cannot be read.
        StoreUnavailable: PostgreSQL or the file storage does not answer.
        Over: the job is no longer this worker's.
    """
    asked = ExportArguments.model_validate(task.arguments)
    tenant_id = task.job.tenant_id
    rows = 0
    with tempfile.TemporaryDirectory(prefix="turnstile-export-") as folder:
        path = Path(folder) / "export"
        # One snapshot: rows that move to another tier meanwhile are met once.
        with writer(path, asked) as write, transaction(engine, tenant_id, one_snapshot=True) as session:
            for reached, page in pages(session, store, asked):
                write(page)
                rows += len(page)
                task.report(0.95 * _share(asked, reached), f"{rows} rows, up to {reached:%Y-%m-%d %H:%M}")
        with path.open("rb") as content, transaction(engine, tenant_id) as session:
            kept = files.keep(
                session,
                store,
                content,
                kind="export",
                filename=f"{asked.what}-{asked.from_:%Y%m%dT%H%M}-{asked.to:%Y%m%dT%H%M}.{asked.format}",
                mime_type=MIME_TYPES[asked.format],
                expires_ns=now_ns + KEEP_DAYS * 86400 * 10**9,
            )
    return {
        "file_id": kept.id,
        "filename": kept.filename,
        "path": kept.path,
        "sha256": kept.sha256,
        "size": kept.size,
        "rows": rows,
        "expires_at": None if kept.expires_ns is None else to_text(kept.expires_ns),
    }


def _share(asked: ExportArguments, reached: datetime) -> float:
    return (reached - asked.from_) / (asked.to - asked.from_)
