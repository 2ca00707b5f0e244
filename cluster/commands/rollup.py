"""``turnstile rollup``: bring hours, days and months up to date."""

import time
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console

from actors import rollups
from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from schema.database import migrate, open_engine
from schema.errors import BadInput
from schema.settings import load_settings

rollup = typer.Typer()


@rollup.callback()
def _group() -> None:
    """A name of its own for ``run``, though it is alone."""


@rollup.command("run")
def run_command(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Sum days up from their minutes anew, too.")] = False,
    from_: Annotated[str | None, typer.Option("--from", metavar="DATE", help="With --rebuild: the first day.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="With --rebuild: the last day.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Roll up what has changed; the running system does it every few minutes.

    With --rebuild, days are summed up from their minutes anew, for when somebody changed these by hand. Days whose
    minutes are in archive files stay as they are.
    """
    days = _days(from_, to) if rebuild else None
    if not rebuild and (from_ or to):
        raise BadInput("--from and --to say what to rebuild: give --rebuild too, or neither")
    with Services(load_settings(config), database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=2)
        try:
            with Console(stderr=True).status("looking for days that have changed") as shown:
                if days is None:
                    done = rollups.run_due(engine, now_ns=time.time_ns(), tell=shown.update)
                else:
                    first, last = days
                    done = rollups.rebuild(engine, first=first, last=last, now_ns=time.time_ns(), tell=shown.update)
        finally:
            engine.dispose()
    if as_json:
        print_json(asdict(done))
    else:
        Console().print(f"{done.days} days of lines and zones are rolled up, {done.corrected} of them were corrected")


def _days(from_: str | None, to: str | None) -> tuple[date, date]:
    if from_ is None or to is None:
        raise BadInput("--rebuild needs to know which days: give --from DATE and --to DATE")
    first, last = _day(from_), _day(to)
    if last < first:
        raise BadInput(f"--to {last} comes before --from {first}: swap them")
    return first, last


def _day(given: str) -> date:
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise BadInput(f"'{given}' is not a date: write it like 2026-05-01") from None
