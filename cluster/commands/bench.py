"""``turnstile bench``: speed, each figure beside a peer or limit measured in the same run."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib import import_module
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cluster.bench.measure import Measure
from cluster.commands.options import Json
from schema.errors import BadInput

NAMES = ("count", "pipeline", "track", "live", "gate", "ingest", "history", "totals", "tiers", "archive")
"""The modules of ``cluster.bench`` that measure something."""


def bench(
    name: Annotated[
        str | None, typer.Argument(help="One benchmark; all of them if not given.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure and print. JSON comes as one object a line, as each is measured."""
    if name is not None and name not in NAMES:
        raise BadInput(f"unknown benchmark '{name}': give one of {', '.join(NAMES)}")
    table = Table("measure", "value", "unit", "reference", "ratio")
    for chosen in [name] if name else NAMES:
        for measured in _run(chosen):
            if as_json:
                typer.echo(json.dumps(asdict(measured)))
            else:
                table.add_row(
                    measured.name, f"{measured.value:.4g}", measured.unit, measured.reference, f"{measured.ratio:.3f}"
                )
    if not as_json:
        Console().print(table)


def _run(name: str) -> Iterable[Measure]:
    try:
        module = import_module(f"cluster.bench.{name}")
    except ModuleNotFoundError as error:
        raise BadInput(
            f"benchmark '{name}' compares with {error.name}, which is not installed: run 'make bench'"
        ) from None
    return module.measure()
