"""``turnstile db validate``: whether the tables are what this program takes them for."""

import typer
from rich.console import Console

from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from schema.database import validate
from schema.settings import load_settings


def validate_command(config: Config = None, as_json: Json = False) -> None:
    """Compare the tables with what this program takes them for, as every migration does; exit 1 if they differ."""
    with Services(load_settings(config), database_only=True) as services:
        flaws = validate(services.endpoints.postgres_dsn)
    if as_json:
        print_json({"flaws": flaws})
    elif flaws:
        for flaw in flaws:
            Console().print(flaw, highlight=False, soft_wrap=True)
    else:
        Console().print("the tables are what this program takes them for")
    raise typer.Exit(1 if flaws else 0)
