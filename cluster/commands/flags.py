"""``turnstile flags``: switches of the running system."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cluster.commands.cache import redis_of
from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from schema.cache.flags import KNOWN, Flags, named

flags = typer.Typer()

Name = Annotated[str, typer.Argument(help="The flag's name.")]
On = Annotated[bool, typer.Argument(help="true or false.")]


@flags.command("list")
def list_flags(config: Config = None, as_json: Json = False) -> None:
    """List all flags, and which are set; one that is not has its default."""
    with redis_of(config) as client:
        given = Flags(client).read()
    rows = [
        {
            "name": flag.name,
            "on": given.get(flag.name, flag.default),
            "default": flag.default,
            "set": flag.name in given,
            "help": flag.help,
        }
        for flag in KNOWN
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("flag", "on", "default", "set", "what it does")
    for row in rows:
        table.add_row(*(str(value).lower() if isinstance(value, bool) else value for value in row.values()))
    Console().print(table)


@flags.command("set")
def set_flag(name: Name, on: On, config: Config = None) -> None:
    """Set a flag; a Redis that is emptied forgets it."""
    flag = named(name)
    with redis_of(config) as client:
        Flags(client).put(flag, on)
    Console().print(f"{flag.name} is {'on' if on else 'off'}")


@flags.command("unset")
def unset_flag(name: Name, config: Config = None) -> None:
    """Leave a flag to its default."""
    flag = named(name)
    with redis_of(config) as client:
        Flags(client).put(flag, None)
    Console().print(f"{flag.name} has its default: {'on' if flag.default else 'off'}")
