"""``turnstile queue``: what waits in RabbitMQ, and what to do with messages that nobody could handle."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pika.connection import Parameters
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from actors.queue import dead_letters
from actors.queue.dead_letters import DeadLetter, Wanted
from actors.queue.topology import QUEUES, declare, depths, parameters_of
from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from schema.database import across_tenants, migrate, open_engine
from schema.errors import BadInput, NotFound
from schema.names import JOBS_EXCHANGE, jobs_queue
from schema.queries import job_leases, jobs, outbox
from schema.settings import load_settings
from schema.times import to_text

queue = typer.Typer()
letters = typer.Typer()
queue.add_typer(letters, name="dead-letters", help="List, replay and drop messages that nobody could handle.")

Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this one; may be repeated.")]
All = Annotated[bool, typer.Option("--all", help="All that are there now.")]
_SHOWN = 60


@queue.command("status")
def status_command(config: Config = None, as_json: Json = False) -> None:
    """Show how many messages wait where, who takes them, and how many are not at the broker yet."""
    with _opened(config) as opened:
        declare(opened.parameters)
        found = depths(opened.parameters, QUEUES)
        with across_tenants(opened.engine) as session:
            unsent = outbox.waiting(session)
            at_work = {jobs_queue(kind): counts for kind, counts in job_leases.waiting(session).items()}
    values = [
        {
            "queue": name,
            "ready": depth.ready,
            "consumers": depth.consumers,
            "jobs_queued": at_work.get(name, (0, 0))[0],
            "jobs_running": at_work.get(name, (0, 0))[1],
        }
        for name, depth in found.items()
    ]
    if as_json:
        print_json({"queues": values, "outbox": dict(unsent)})
        return
    table = Table("queue", "ready", "consumers", "jobs waiting", "jobs being done")
    for value in values:
        table.add_row(*(str(cell) for cell in value.values()))
    console = Console()
    console.print(table)
    console.print("not at the broker yet: " + ", ".join(f"{count} for {where}" for where, count in unsent.items()))


@letters.command("list")
def list_command(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the oldest.")] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List dead letters; they stay where they are."""
    with _opened(config) as opened:
        found = dead_letters.look(opened.parameters, limit=limit)
    if as_json:
        print_json([_values(letter) for letter in found])
        return
    table = Table("id", "died", "of", "in queue", "for exchange", "key", "content")
    for letter in found:
        died = "" if letter.died_ns is None else to_text(letter.died_ns)
        content = "not JSON: " + repr(letter.body)[2:-1] if letter.content is None else letter.body.decode()
        table.add_row(
            letter.id, died, letter.reason, letter.queue, letter.exchange or "", letter.routing_key, content[:_SHOWN]
        )
    Console().print(table)


@letters.command("replay")
def replay_command(ids: Ids = None, every_one: All = False, config: Config = None, as_json: Json = False) -> None:
    """Publish dead letters where they came from; jobs that had failed start over."""
    wanted = _wanted(ids, every_one)
    with _opened(config) as opened:
        engine = opened.engine
        replayed = dead_letters.replay(opened.parameters, wanted, before=lambda found: _revive_jobs(engine, found))
    _tell(replayed, ids, "replayed", as_json=as_json)


@letters.command("drop")
def drop_command(
    ids: Ids = None,
    every_one: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Delete dead letters for ever."""
    wanted = _wanted(ids, every_one)
    if not yes:
        which = "all dead letters" if ids is None else f"the dead letters {', '.join(ids)}"
        typer.confirm(f"delete {which} for ever?", abort=True, err=True)
    with _opened(config) as opened:
        dropped = dead_letters.drop(opened.parameters, wanted)
    _tell(dropped, ids, "dropped", as_json=as_json)


def _wanted(ids: Sequence[str] | None, every_one: bool) -> Wanted:
    if (ids is not None) == every_one:
        raise BadInput("which dead letters? give --id, which may be repeated, or --all")
    return (lambda _letter: True) if ids is None else (lambda letter: letter.id in ids)


def _tell(done: Sequence[DeadLetter], ids: Sequence[str] | None, what: str, *, as_json: bool) -> None:
    found = {letter.id for letter in done}
    missing = [wanted for wanted in ids or () if wanted not in found]
    if as_json:
        print_json({what: [letter.id for letter in done], "missing": missing})
    else:
        typer.echo(f"{what} {len(done)} dead letters")
    if missing:
        raise NotFound(
            f"there is no dead letter {', '.join(missing)}: 'turnstile queue dead-letters list' shows which there are"
        )


def _revive_jobs(engine: Engine, found: Sequence[DeadLetter]) -> None:
    with across_tenants(engine) as session:
        for letter in found:
            job_id = letter.content.get("job_id") if isinstance(letter.content, dict) else None
            if letter.exchange == JOBS_EXCHANGE and isinstance(job_id, int):
                jobs.revive(session, job_id)


def _values(letter: DeadLetter) -> dict[str, Any]:
    """The body as JSON, else as text, else in base 64."""
    try:
        body: dict[str, Any] = {"body": json.loads(letter.body)}
    except ValueError:
        try:
            body = {"body_text": letter.body.decode()}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(letter.body).decode()}
    return {
        "id": letter.id,
        "died_at": None if letter.died_ns is None else to_text(letter.died_ns),
        "reason": letter.reason,
        "queue": letter.queue,
        "exchange": letter.exchange,
        "routing_key": letter.routing_key,
        **body,
    }


@dataclass(frozen=True, kw_only=True)
class _Opened:
    engine: Engine
    parameters: Parameters


@contextmanager
def _opened(config: Path | None) -> Iterator[_Opened]:
    """Database and broker that the settings name; the database is brought up to date first."""
    with Services(load_settings(config)) as services:
        endpoints = services.endpoints
        migrate(endpoints.postgres_owner_dsn)
        engine = open_engine(endpoints.postgres_dsn, pool_size=1)
        try:
            yield _Opened(engine=engine, parameters=parameters_of(endpoints.amqp_url))
        finally:
            engine.dispose()
