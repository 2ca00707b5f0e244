"""``turnstile db audit``: read the trail of changes, and prove that nobody has altered it."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import Engine

from cluster.commands.configured import print_json, tenant_id
from cluster.commands.options import Config, Json, Tenant
from cluster.services import Services
from schema.database import across_tenants, auditing, migrate, open_engine
from schema.errors import BadInput
from schema.queries import audit as trail
from schema.queries import tenants
from schema.queries.audit import Entry, Seen, Verdict
from schema.settings import Settings, load_settings

audit = typer.Typer(help="Read the trail of changes, and prove that nobody has altered it.")

SYSTEM = "(system)"
"""What the chain without a tenant is called: no tenant can have this name."""

System = Annotated[bool, typer.Option("--system", help="The system's own trail (models), which is no tenant's.")]
Noted = Annotated[
    str | None,
    typer.Option(
        metavar="POSITION:HASH", help="The newest entry of an earlier verification, which must be there still."
    ),
]


@audit.command("verify")
def verify_command(
    tenant: Tenant = None,
    system: System = False,
    noted: Noted = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Compute the chains of all tenants anew, or of one; exit 1 and name the first broken link if one was altered.

    Note the newest entry elsewhere, and give it the next time: then even a chain that was computed anew is found out.
    """
    seen = None if noted is None else _parse(noted)
    if seen is not None and tenant is None and not system:
        raise BadInput("--noted is an entry of one chain: give --tenant or --system, too")
    with _engine(load_settings(config)) as engine:
        chosen = [_chain(engine, tenant, system)] if tenant or system else _chains(engine)
        verdicts = [(name, _verify(engine, name, number, seen, quiet=as_json)) for name, number in chosen]
    if as_json:
        print_json([_as_json(name, verdict) for name, verdict in verdicts])
    else:
        _print(verdicts)
    raise typer.Exit(1 if any(verdict.broken for _, verdict in verdicts) else 0)


@audit.command("list")
def list_command(
    tenant: Tenant = None,
    system: System = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most as many entries.")] = 50,
    before: Annotated[int | None, typer.Option(help="Only entries before this one.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the newest changes first: what, by whom, from where."""
    settings = load_settings(config)
    with _engine(settings) as engine:
        _, number = _chain(engine, tenant or settings.tenant, system)
        with auditing(engine, number) as session:
            entries = trail.listing(session, number, before=before, limit=limit)
    if as_json:
        print_json([asdict(entry) | {"at": entry.at.isoformat()} for entry in entries])
        return
    table = Table("entry", "time", "what", "who", "change")
    for entry in entries:
        what = f"{entry.action} {entry.table} {'' if entry.record_id is None else entry.record_id}"
        table.add_row(str(entry.position), f"{entry.at:%Y-%m-%d %H:%M:%S}", what, _who(entry), _change(entry))
    Console().print(table)


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    with Services(settings, database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_owner_dsn, pool_size=1)
        try:
            yield engine
        finally:
            engine.dispose()


def _chain(engine: Engine, tenant: str | None, system: bool) -> tuple[str, int | None]:
    return (SYSTEM, None) if system or tenant is None else (tenant, tenant_id(engine, tenant))


def _chains(engine: Engine) -> list[tuple[str, int | None]]:
    with across_tenants(engine) as session:
        return [(SYSTEM, None), *((tenant.name, tenant.id) for tenant in tenants.listing(session))]


def _verify(engine: Engine, name: str, number: int | None, noted: Seen | None, *, quiet: bool) -> Verdict:
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} entries"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task(name, total=None)
        with auditing(engine, number) as session:
            return trail.verify(session, number, noted=noted, progress=lambda count: bar.advance(task, count))


def _parse(noted: str) -> Seen:
    position, _, digest = noted.partition(":")
    if not position.isdecimal() or not re.fullmatch("[0-9a-f]{64}", digest):
        raise BadInput(f"--noted is '{noted}': give the newest entry as 'verify' printed it, like 812:9f86…")
    return Seen(position=int(position), hash=bytes.fromhex(digest))


def _as_json(name: str, verdict: Verdict) -> dict[str, Any]:
    broken = verdict.broken
    return {
        "chain": name,
        "entries": verdict.entries,
        "newest": _newest(verdict),
        "broken": broken
        and {
            "fault": broken.fault,
            "position": broken.position,
            "id": broken.id,
            "at": broken.at and broken.at.isoformat(),
            "message": str(broken),
        },
    }


def _print(verdicts: Iterable[tuple[str, Verdict]]) -> None:
    table = Table("chain", "entries", "", "newest entry")
    for name, verdict in verdicts:
        table.add_row(name, str(verdict.entries), str(verdict.broken or "unbroken"), _newest(verdict))
    Console().print(table)


def _newest(verdict: Verdict) -> str | None:
    return verdict.head and f"{verdict.head.position}:{verdict.head.hash.hex()}"


def _who(entry: Entry) -> str:
    user = "nobody known" if entry.user_id is None else f"user {entry.user_id}"
    place = "" if entry.ip_address is None else f" from {entry.ip_address}"
    return f"{user}{place}, by {entry.program or 'an unknown program'} as {entry.login}"


def _change(entry: Entry) -> str:
    return json.dumps(entry.new if entry.new is not None else entry.old, ensure_ascii=False)
