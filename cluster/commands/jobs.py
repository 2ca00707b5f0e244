"""``turnstile jobs``: ask the workers of the running system for something, and watch them."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import progress
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from cluster.commands.configured import database, print_json, tenant_id
from cluster.commands.options import Config, Json, Tenant
from cluster.services import Services
from schema.database import migrate, open_engine, transaction
from schema.errors import BadInput
from schema.jobs import Job, Kind, State
from schema.queries import jobs as stored
from schema.settings import load_settings
from schema.times import to_text
from serve_app.api.jobs import JobAnswer

_POLL_S = 0.5

jobs = typer.Typer()

JobId = Annotated[int, typer.Argument(metavar="ID", help="The job's number.")]


@jobs.command("list")
def list_jobs(
    kind: Annotated[Kind | None, typer.Option(help="Only of this kind.")] = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=stored.MAX_LIMIT, help="At most so many.")] = 50,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with database(config, tenant) as session:
        found = stored.listing(session, kind=kind, state=state, limit=limit)
    if as_json:
        print_json([_values(job) for job in found])
    else:
        Console().print(_table(found))


@jobs.command("show")
def show_job(job_id: JobId, tenant: Tenant = None, config: Config = None, as_json: Json = False) -> None:
    """Show one job with its arguments and result."""
    with database(config, tenant) as session:
        job = stored.get(session, job_id)
    if as_json:
        print_json(_values(job))
        return
    Console().print(_table([job]))
    Console().print_json(json.dumps({"arguments": dict(job.arguments), "result": job.result}))


@jobs.command("request")
def request_job(
    kind: Annotated[str, typer.Argument(help="backfill, export, archive, rollup or collect.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE...", help="Like what=counts from=2026-05-01T00:00:00Z or lines='{\"a\":[…]}'"
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Asked for twice with the same key, it is one job.")] = None,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask for a job; the running system does it, or the next one that runs."""
    with database(config, tenant) as session:
        job = stored.request(session, kind, _parsed(arguments or ()), key=key)
    if as_json:
        print_json(_values(job))
    else:
        typer.echo(f"job {job.id} is {job.state}: 'turnstile jobs watch {job.id}' shows how far it is")


@jobs.command("cancel")
def cancel_job(job_id: JobId, tenant: Tenant = None, config: Config = None, as_json: Json = False) -> None:
    """Cancel a job; a worker that is at it stops within seconds."""
    with database(config, tenant) as session:
        job = stored.cancel(session, job_id)
    if as_json:
        print_json(_values(job))
    else:
        typer.echo(f"cancelled job {job.id}")


@jobs.command("watch")
def watch_job(job_id: JobId, tenant: Tenant = None, config: Config = None, as_json: Json = False) -> None:
    """Wait for a job's end and show its progress; exit 1 unless it is done."""
    console = Console(stderr=True)
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TaskProgressColumn())
    with _opened(config, tenant) as (engine, owner_id), progress.Progress(*columns, console=console) as bars:
        bar = bars.add_task(f"job {job_id}", total=1.0)
        while True:
            with transaction(engine, owner_id) as session:
                job = stored.get(session, job_id)
            bars.update(bar, completed=job.progress, description=f"job {job.id}: {job.message or job.state}")
            if not job.is_open:
                break
            time.sleep(_POLL_S)
    if as_json:
        print_json(_values(job))
    else:
        Console().print(_table([job]))
    raise typer.Exit(0 if job.state == "done" else 1)


def _parsed(given: Sequence[str]) -> dict[str, Any]:
    """Values are JSON where they can be read as it, and text otherwise."""
    arguments: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise BadInput(f"'{one}' is not an argument: write it like name=value")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return arguments


def _table(found: Sequence[Job]) -> Table:
    table = Table("job", "kind", "state", "done", "at what", "tries", "since", "error")
    for job in found:
        table.add_row(
            str(job.id),
            job.kind,
            job.state,
            f"{job.progress:.0%}",
            job.message,
            str(job.attempts + job.retries),
            to_text(job.created_ns)[:19],
            job.error or "",
        )
    return table


def _values(job: Job) -> dict[str, Any]:
    return JobAnswer.of(job).model_dump(mode="json")


@contextmanager
def _opened(config: Path | None, tenant: str | None) -> Iterator[tuple[Engine, int]]:
    settings = load_settings(config)
    with Services(settings, database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=1)
        try:
            yield engine, tenant_id(engine, tenant or settings.tenant)
        finally:
            engine.dispose()
