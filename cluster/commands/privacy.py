"""``turnstile privacy``: hand out what is known of a person who uses the system, or erase it."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer
from rich import progress
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from cluster.commands.configured import print_json, tenant_id
from cluster.commands.options import Config, Json, Tenant
from cluster.erasure import reach_of
from cluster.services import Endpoints, Services
from schema.database import migrate, open_engine, transaction
from schema.errors import BadInput
from schema.jobs import EraseArguments
from schema.ports import FileStore
from schema.privacy import collecting, erasing
from schema.privacy.collecting import Parts
from schema.privacy.inventory import INVENTORY
from schema.privacy.person import Person, find
from schema.privacy.reach import Reach
from schema.privacy.report import Report
from schema.queries import jobs
from schema.settings import load_settings
from schema.storage import open_storage

privacy = typer.Typer()

User = Annotated[str, typer.Argument(metavar="USER", help="User name or e-mail address.")]


@privacy.command("export")
def export_command(
    user: User,
    to: Annotated[Path | None, typer.Option(help="A new folder for it. Default: personal-data-NUMBER.")] = None,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write all that is known of a person into a folder: JSON files, and the exports that he asked for.

    With --json and without --to, everything but those exports is printed instead.
    """
    with _opened(config, tenant, database_only=True) as opened:
        person = opened.person(user)
        folder = to or Path(f"personal-data-{person.id}")
        to_folder = to is not None or not as_json
        if to_folder and folder.exists():
            raise BadInput(f"{folder} is there already: name a new folder with --to")
        parts = collecting.collect(opened.engine, opened.tenant_id, person.id)
        missing = _write(folder, parts, opened.files) if to_folder else []
    if not to_folder:
        print_json(parts)
        return
    counts = {part: len(values) for part, values in parts.items() if part != "profile"}
    if as_json:
        print_json({"folder": str(folder), "rows": counts, "missing_files": missing})
        return
    said = ", ".join(f"{count} {part}" for part, count in counts.items())
    typer.echo(f"{folder}: the profile, {said}")
    for path in missing:
        typer.echo(f"the file of export {path} is gone", err=True)


@privacy.command("erase")
def erase_command(
    user: User,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even the last one who may manage the tenant.")] = False,
    as_job: Annotated[bool, typer.Option("--job", help="Let the running system do it, and do not wait.")] = False,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Erase a person everywhere, for ever; interrupted, the same command goes on.

    His account stays as a number without a name, because history refers to it. Backups are not reached.
    """
    with _opened(config, tenant) as opened:
        person = opened.person(user)
        if not (dry_run or yes):
            typer.confirm(f"erase user {person.id} for ever?", abort=True, err=True)
        if as_job and not dry_run:
            asked = EraseArguments(user_id=person.id, force=force)
            with transaction(opened.engine, opened.tenant_id) as session:
                job = jobs.request_erasure(session, asked)
            if as_json:
                print_json({"job": job.id, "user_id": person.id})
            else:
                typer.echo(f"job {job.id} is {job.state}: 'turnstile jobs watch {job.id}' shows how far it is")
            return
        report = _preview(opened, person) if dry_run else _erase(opened, person, force=force)
    if as_json:
        print_json({"dry_run": dry_run, **report.values()})
        return
    table = Table("where", "what would be done" if dry_run else "what was done", "to how many")
    for each in report.done:
        table.add_row(each.where, each.what, "" if each.count is None else str(each.count))
    Console().print(table)
    typer.echo(f"user {report.user_id} {'would be' if dry_run else 'is'} erased")


@privacy.command("inventory")
def inventory_command(as_json: Json = False) -> None:
    """Show where personal data lies, what is handed out of it, and what becomes of it when somebody is erased."""
    if as_json:
        print_json([asdict(place) for place in INVENTORY])
        return
    table = Table("where", "what", "whose", "handed out", "when erased")
    for place in INVENTORY:
        if place.whose != "nobody":
            table.add_row(f"{place.store} {place.name}", " ".join(place.parts), place.whose, place.export, place.erase)
    Console().print(table)


def _preview(opened: "_Opened", person: Person) -> Report:
    return erasing.preview(opened.reach, opened.tenant_id, person.id)


def _erase(opened: "_Opened", person: Person, *, force: bool) -> Report:
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn())
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("", total=1.0)
        return erasing.erase(
            opened.reach,
            opened.tenant_id,
            person.id,
            now_ns=time.time_ns(),
            force=force,
            tell=lambda share, step: bars.update(bar, completed=share, description=step),
        )


def _write(folder: Path, parts: Parts, files: FileStore) -> list[str]:
    """Write a folder that nobody else may read, whole or not at all; gives the paths of exports that are gone."""
    missing: list[str] = []
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    try:
        for part, values in parts.items():
            (unfinished / f"{part}.json").write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        for export in parts["exports"]:
            if not files.exists(export["path"]):
                missing.append(export["path"])
                continue
            (unfinished / "exports").mkdir(exist_ok=True)
            with (unfinished / "exports" / f"{export['id']}-{export['filename']}").open("wb") as copy:
                copy.writelines(files.read(export["path"], sha256=export["sha256"]))
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return missing


@dataclass(frozen=True, kw_only=True)
class _Opened:
    engine: Engine
    files: FileStore
    endpoints: Endpoints
    tenant_id: int

    @property
    def reach(self) -> Reach:
        return reach_of(self.engine, self.files, redis_url=self.endpoints.redis_url, amqp_url=self.endpoints.amqp_url)

    def person(self, who: str) -> Person:
        with transaction(self.engine, self.tenant_id) as session:
            return find(session, who)


@contextmanager
def _opened(config: Path | None, tenant: str | None, *, database_only: bool = False) -> Iterator[_Opened]:
    """The stores that the settings name; the database is brought up to date first."""
    settings = load_settings(config)
    files = open_storage(settings.storage)
    with ExitStack() as stack:
        services = stack.enter_context(Services(settings, database_only=database_only))
        endpoints = services.endpoints
        migrate(endpoints.postgres_owner_dsn)
        engine = open_engine(endpoints.postgres_dsn, pool_size=2)
        stack.callback(engine.dispose)
        owner_id = tenant_id(engine, tenant or settings.tenant)
        yield _Opened(engine=engine, files=files, endpoints=endpoints, tenant_id=owner_id)
