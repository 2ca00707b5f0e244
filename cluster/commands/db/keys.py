"""``turnstile db rotate-keys``: seal everything anew with the newest key, while the system runs."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.commands.options import Config, Json
from cluster.rotation import Rotated, rotate, usage
from cluster.services import Services
from schema.crypto import add_key, keyring
from schema.database import migrate, open_engine
from schema.errors import BadInput
from schema.settings import KEYS_VARIABLE, load_settings, named_keys


def rotate_keys(
    new_key: Annotated[
        str | None, typer.Option(help="First make a new key with this id and put it in front in the key file.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Seal with the newest key what older ones sealed; safe to stop and to repeat, while the system runs.

    It also seals the camera addresses that the previous release wrote in the clear. Keys that it names as no longer
    used may be taken out of the key file, once no backup needs them.
    """
    with Services(load_settings(config), database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        if new_key is not None:
            _add_key(new_key)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=1)
        try:
            newest = keyring().newest
            old = sum(count for key_id, count in usage(engine).items() if key_id != newest)
            columns = (TextColumn("sealing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True), disable=as_json, transient=True) as bar:
                task = bar.add_task("", total=old)
                rotated = rotate(engine, lambda changed: bar.advance(task, changed))
        finally:
            engine.dispose()
    if as_json:
        typer.echo(json.dumps(asdict(rotated) | {"left": rotated.left}, indent=2))
    else:
        _say(rotated)


def _add_key(key_id: str) -> None:
    named = named_keys()
    if named.text is not None or named.file is None:
        raise BadInput(
            f"the keys come from {KEYS_VARIABLE}: put a line 'id:base64key' in front there, without --new-key"
        )
    add_key(named.file, key_id)


def _say(rotated: Rotated) -> None:
    console = Console(highlight=False)
    for column, count in rotated.changed.items():
        console.print(f"{column}: {count} sealed anew with key '{rotated.newest}'")
    for key_id, count in rotated.left.items():
        console.print(
            f"key '{key_id}': {count} values were sealed with it meanwhile: restart what has older keys, repeat"
        )
    if rotated.unused:
        console.print(f"no longer used: {', '.join(rotated.unused)}")
