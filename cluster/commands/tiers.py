"""``turnstile tiers``: move what has aged to the next tier, and see how much lies where."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from actors.tiers.run import run_due
from actors.tiers.steps import Step
from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from schema.database import migrate, open_engine
from schema.settings import load_settings
from schema.storage import open_storage
from schema.tiers.status import Holding, status

_DONE = {
    "pack": "packed",
    "archive": "archived",
    "merge": "merged",
    "drop": "dropped",
    "remove": "removed",
}

tiers = typer.Typer()


@tiers.command("run")
def run_command(
    config: Config = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Move everything that has passed its age; exit 1 if a step failed. The running system does it once a day."""
    settings = load_settings(config)
    with Services(settings, database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=2)
        try:
            with Console(stderr=True).status("looking for what has aged") as shown:
                steps = run_due(
                    engine,
                    open_storage(settings.storage),
                    now_ns=time.time_ns(),
                    dry_run=dry_run,
                    tell=shown.update,
                )
        finally:
            engine.dispose()
    if as_json:
        print_json([asdict(step) for step in steps])
    else:
        _print_steps(steps, dry_run=dry_run)
    raise typer.Exit(1 if any(step.error for step in steps) else 0)


@tiers.command("status")
def status_command(config: Config = None, as_json: Json = False) -> None:
    """Show rows, bytes and the time covered, tier by tier, of all tenants."""
    with Services(load_settings(config), database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=1)
        try:
            holdings = status(engine)
        finally:
            engine.dispose()
    if as_json:
        print_json([_values(holding) for holding in holdings])
        return
    table = Table(Column("tier", no_wrap=True), "what", "rows", "bytes", "bytes a row", "oldest", "newest")
    for holding in holdings:
        rows, size, each = f"{holding.rows:,}", f"{holding.size:,}", f"{holding.bytes_a_row or 0:.1f}"
        days = ("" if moment is None else f"{moment:%Y-%m-%d}" for moment in (holding.oldest, holding.newest))
        table.add_row(holding.tier, holding.kind, rows, size, each, *days)
    Console().print(table)


def _print_steps(steps: Sequence[Step], *, dry_run: bool) -> None:
    if not steps:
        Console().print("nothing has passed its age")
        return
    table = Table("would be" if dry_run else "was", "tenant", "what", "period", "rows", "failed because")
    for step in steps:
        tenant = "" if step.tenant_id is None else str(step.tenant_id)
        rows = f"{step.rows:,}" if step.rows else ""
        table.add_row(_DONE[step.action], tenant, step.what, step.period, rows, step.error or "")
    Console().print(table)


def _values(holding: Holding) -> dict[str, Any]:
    each = holding.bytes_a_row
    return {
        "tier": holding.tier,
        "kind": holding.kind,
        "rows": holding.rows,
        "bytes": holding.size,
        "bytes_a_row": None if each is None else round(each, 2),
        "oldest": None if holding.oldest is None else holding.oldest.isoformat(),
        "newest": None if holding.newest is None else holding.newest.isoformat(),
    }
