"""``turnstile tenants``: whose cameras, people and counts there are, and for how long they keep what."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from schema.database import migrate, open_engine, owner_transaction
from schema.errors import BadInput
from schema.queries import tenants as stored
from schema.settings import load_settings
from schema.tenants import Tenant

tenants = typer.Typer()

Name = Annotated[str, typer.Argument(help="The tenant's name.")]
HotDays = Annotated[int | None, typer.Option(help="Days that counts stay rows.")]
WarmDays = Annotated[int | None, typer.Option(help="Age in days until which counts stay in PostgreSQL, packed.")]
ColdDays = Annotated[int | None, typer.Option(help="Age in days until which counts stay in the archive's files.")]
EvidenceDays = Annotated[int | None, typer.Option(help="Days that pictures of crossings are kept.")]


@tenants.command("list")
def list_tenants(config: Config = None, as_json: Json = False) -> None:
    """List all tenants."""
    with _owner(config) as session:
        found = stored.listing(session)
    if as_json:
        print_json([asdict(tenant) for tenant in found])
        return
    Console().print(_table(found))


@tenants.command("show")
def show_tenant(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Show one tenant."""
    with _owner(config) as session:
        found = stored.by_name(session, name)
    if as_json:
        print_json(asdict(found))
        return
    Console().print(_table([found]))


@tenants.command("add")
def add_tenant(
    name: Name,
    hot_days: HotDays = None,
    warm_days: WarmDays = None,
    cold_days: ColdDays = None,
    evidence_days: EvidenceDays = None,
    config: Config = None,
) -> None:
    """Add a tenant; commands act for it with `--tenant NAME`."""
    with _owner(config) as session:
        stored.add(session, replace(Tenant(name=name), **_given(hot_days, warm_days, cold_days, evidence_days)))
    typer.echo(f"added tenant {name}")


@tenants.command("set")
def set_tenant(
    name: Name,
    hot_days: HotDays = None,
    warm_days: WarmDays = None,
    cold_days: ColdDays = None,
    evidence_days: EvidenceDays = None,
    config: Config = None,
) -> None:
    """Change for how long a tenant keeps what is given; what is then too old goes with the next clean-up."""
    changes = _given(hot_days, warm_days, cold_days, evidence_days)
    if not changes:
        raise BadInput("nothing to change: give --hot-days, --warm-days, --cold-days or --evidence-days")
    with _owner(config) as session:
        stored.change(session, replace(stored.by_name(session, name), **changes))
    typer.echo(f"changed tenant {name}")


def _given(
    hot_days: int | None, warm_days: int | None, cold_days: int | None, evidence_days: int | None
) -> dict[str, int]:
    days = {"hot_days": hot_days, "warm_days": warm_days, "cold_days": cold_days, "evidence_days": evidence_days}
    return {name: value for name, value in days.items() if value is not None}


@contextmanager
def _owner(config: Path | None) -> Iterator[Session]:
    with Services(load_settings(config), database_only=True) as services:
        dsn = services.endpoints.postgres_owner_dsn
        migrate(dsn)
        engine = open_engine(dsn, pool_size=1)
        try:
            with owner_transaction(engine) as session:
                yield session
        finally:
            engine.dispose()


def _table(found: list[Tenant]) -> Table:
    table = Table("tenant", "rows until", "packed until", "files until", "pictures until")
    for tenant in found:
        days = (tenant.hot_days, tenant.warm_days, tenant.cold_days, tenant.evidence_days)
        table.add_row(tenant.name, *(f"{age} days" for age in days))
    return table
