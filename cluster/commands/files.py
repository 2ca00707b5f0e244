"""``turnstile files``: what lies in the file storage, what has expired, and what crashes left behind."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from cluster.commands.configured import database, print_json
from cluster.commands.options import Config, Json, Tenant
from cluster.services import Services
from schema.database import migrate, open_engine
from schema.queries.files import FileKind, KeptFile, listing
from schema.settings import load_settings
from schema.storage import FsspecStore, open_storage
from schema.storage.sweep import count_expired, delete_orphans, expire, find_orphans
from schema.times import to_text

_SHOWN = 20

files = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class _Opened:
    engine: Engine
    store: FsspecStore


@files.command("list")
def list_files(
    kind: Annotated[FileKind | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 100,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List files with their kind, size and age, newest first."""
    with database(config, tenant) as session:
        found = listing(session, kind=kind, limit=limit)
    if as_json:
        print_json([_described(file) for file in found])
        return
    table = Table("file", "kind", "bytes", "made", "expires", "path")
    for file in found:
        expires = "" if file.expires_ns is None else to_text(file.expires_ns)
        table.add_row(file.filename, file.kind, str(file.size), to_text(file.created_ns), expires, file.path)
    Console().print(table)


@files.command("orphans")
def orphans_command(
    delete: Annotated[bool, typer.Option("--delete", help="Delete them.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find files that nothing names, and rows whose file is gone; younger than an hour, they are left alone."""
    with _opened(config) as opened:
        opened.store.check()
        found = find_orphans(opened.engine, opened.store, now_ns=time.time_ns())
        if delete:
            delete_orphans(opened.engine, opened.store, found)
    if as_json:
        gone = [path for _, path in found.gone]
        print_json({"deleted": delete, "strays": [asdict(info) for info in found.strays], "gone": gone})
        return
    table = Table("path", "what is wrong", "bytes", "since")
    for info in found.strays[:_SHOWN]:
        table.add_row(info.path, "nothing names it", str(info.size), to_text(info.changed_ns))
    for _, path in found.gone[:_SHOWN]:
        table.add_row(path, "its file is gone", "", "")
    console = Console()
    if found.strays or found.gone:
        console.print(table)
    size = sum(info.size for info in found.strays)
    done = "deleted" if delete else "found; --delete deletes them"
    console.print(
        f"{len(found.strays)} files without a row ({size} bytes), {len(found.gone)} rows without a file: {done}"
    )


@files.command("expire")
def expire_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Delete pictures of crossings that are older than they are kept, and files whose date has passed."""
    with _opened(config) as opened:
        now_ns = time.time_ns()
        done = (
            count_expired(opened.engine, now_ns=now_ns)
            if dry_run
            else expire(opened.engine, opened.store, now_ns=now_ns)
        )
    if as_json:
        print_json({"deleted": not dry_run, **asdict(done)})
        return
    what = "would be deleted" if dry_run else f"deleted, {done.bytes_freed} bytes freed"
    Console().print(f"{done.pictures} pictures and {done.files} other files {what}")


@contextmanager
def _opened(config: Path | None) -> Iterator[_Opened]:
    """The database that the settings name, brought up to date first, and their file storage."""
    settings = load_settings(config)
    store = open_storage(settings.storage)
    with Services(settings, database_only=True) as services:
        endpoints = services.endpoints
        migrate(endpoints.postgres_owner_dsn)
        engine = open_engine(endpoints.postgres_dsn, pool_size=1)
        try:
            yield _Opened(engine=engine, store=store)
        finally:
            engine.dispose()


def _described(file: KeptFile) -> dict[str, object]:
    expires = None if file.expires_ns is None else to_text(file.expires_ns)
    return {
        "id": file.id,
        "filename": file.filename,
        "kind": file.kind,
        "path": file.path,
        "size": file.size,
        "mime_type": file.mime_type,
        "sha256": file.sha256,
        "created_at": to_text(file.created_ns),
        "expires_at": expires,
    }
