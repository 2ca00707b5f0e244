"""``turnstile db partitions``: make the partitions that are due, as the running system does every hour."""

import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from schema.database import migrate, open_engine
from schema.partitions import Action, Outcome, maintain, planned
from schema.settings import load_settings

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

_DUE = {"create": "make it", "settle": "make it and move rows out of the default partition"}


def partitions_command(config: Config = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Make partitions ahead of time, and move rows that had to go to a default partition into their own."""
    with Services(load_settings(config), database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=1)
        try:
            if dry_run:
                rows = [_due(action) for action in planned(engine, time.time_ns())]
            else:
                rows = [_done(outcome) for outcome in maintain(engine, time.time_ns())]
        finally:
            engine.dispose()
    if as_json:
        print_json(rows)
    elif rows:
        _print(rows)
    else:
        Console().print("every partition is there, and no row is in a default partition that could have its own")
    raise typer.Exit(1 if any(row.get("state") == "busy" for row in rows) else 0)


def _due(action: Action) -> dict[str, Any]:
    return {
        "table": action.table,
        "from": action.span.first.isoformat(),
        "to": action.span.last.isoformat(),
        "action": action.kind,
    }


def _done(outcome: Outcome) -> dict[str, Any]:
    return {**_due(outcome.action), "state": outcome.state, "moved": outcome.moved}


def _print(rows: Iterable[dict[str, Any]]) -> None:
    table = Table("table", "from", "to", "")
    for row in rows:
        match row.get("state"):
            case None:
                said = _DUE[row["action"]]
            case "busy":
                said = "the table is in use: it will be tried again"
            case _:
                said = f"made, {row['moved']} rows moved" if row["action"] == "settle" else "made"
        table.add_row(row["table"], row["from"][:10], row["to"][:10], said)
    Console().print(table)
