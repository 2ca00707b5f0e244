"""``turnstile db migrate`` and ``status``: bring the database up to date, or see how far it is."""

from typing import Annotated

import typer
from rich.console import Console

from cluster.commands.options import Config
from cluster.services import Services
from schema.database import migrate, migration_sql, migration_status
from schema.settings import load_settings

Sql = Annotated[bool, typer.Option("--sql", help="Print the statements that would be run, and run nothing.")]


def migrate_command(config: Config = None, sql: Sql = False) -> None:
    """Bring the database to this program's version; safe to repeat."""
    with Services(load_settings(config), database_only=True) as services:
        if sql:
            status = migration_status(services.endpoints.postgres_dsn)
            typer.echo("" if status.is_current else migration_sql(status.current, status.head), nl=False)
            return
        migrate(services.endpoints.postgres_owner_dsn)
        _print_status(services.endpoints.postgres_dsn)


def status_command(config: Config = None) -> None:
    """Show the database's version; exit 1 where it needs `turnstile db migrate`."""
    with Services(load_settings(config), database_only=True) as services:
        is_current = _print_status(services.endpoints.postgres_dsn)
    raise typer.Exit(0 if is_current else 1)


def _print_status(dsn: str) -> bool:
    status = migration_status(dsn)
    state = "up to date" if status.is_current else f"{len(status.pending)} to apply: run 'turnstile db migrate'"
    Console().print(f"database at {status.current or 'no version'}, program at {status.head}: {state}")
    if status.too_powerful_login is not None:
        Console().print(
            f"postgres_dsn logs in as '{status.too_powerful_login}', a superuser, for whom row security does not hold: "
            "make a login that is a member of turnstile_app and turnstile_system only",
            highlight=False,
        )
    return status.is_current
