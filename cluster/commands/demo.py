"""``turnstile demo``: everything at work on four cameras."""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cluster.commands.options import Config, Json
from cluster.commands.stopping import asked_to_stop
from cluster.demo import Comparison, OneRun, live_demo
from cluster.main import Running
from cluster.replay import follow
from cluster.witnesses import LiveWitness
from schema.settings import load_settings

REFRESH_S = 0.5
PRINT_EVERY_S = 10.0
PRINT_WIDTH = 100
_STARTING = "Starting services, Ray and the detector"


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Play every camera once, compare what four witnesses counted, and end.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show everything at work: services, Ray, a detector, and four cameras that play a recorded street.

    With --once it exits 0 only if PostgreSQL, Redis, a WebSocket client and RabbitMQ's queue agree on every count.
    """
    settings = load_settings(config)
    # The terminal as it is now: while Ray runs, standard output is kept free of what it prints.
    out = sys.stderr if as_json else sys.stdout
    console = Console(file=out, width=None if out.isatty() else PRINT_WIDTH)
    with ExitStack() as stack:
        if not once:
            with console.status(_STARTING):
                running, witness = stack.enter_context(live_demo(settings))
            _show(running, witness, console)
            return
        with console.status(_STARTING):
            run = stack.enter_context(OneRun(settings))
        _play(run, console)
        with console.status("Asking the witnesses"):
            compared = run.compare()
    agree = all(one.agrees for one in compared)
    if as_json:
        typer.echo(
            json.dumps({"agree": agree, "model": run.running.model.model, "counts": [asdict(c) for c in compared]})
        )
    else:
        console.print(_comparison(compared))
        console.print(
            "All four agree on every count." if agree else "They do not agree.", style="green" if agree else "red"
        )
    raise typer.Exit(0 if agree else 1)


def _play(run: OneRun, console: Console) -> None:
    """Show progress until every camera has been played to its end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console.print(f"Counting with {run.running.model.model}. API: {run.running.api_url}/docs")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {one.camera.id: bar.add_task(one.camera.name, total=one.frames) for one in run.begun}
        for progress in follow(run.engine, run.begun):
            for camera_id, task in tasks.items():
                bar.update(task, completed=progress[camera_id].seq)


def _show(running: Running, witness: LiveWitness, console: Console) -> None:
    """Draw the live table until told to stop; where there is no terminal, print it now and then."""
    with (
        asked_to_stop() as stop,
        Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live,
    ):
        while not stop.wait(REFRESH_S if live else PRINT_EVERY_S):
            now = _now(running, witness)
            if live:
                live.update(now, refresh=True)
            else:
                console.print(now)


def _now(running: Running, witness: LiveWitness) -> Group:
    cameras = {status.spec.id: status for worker in running.overview().workers for status in worker.cameras}
    table = _table("camera", "rule", "in", "out", "eff in", "eff out", "inside", "looks/s", "state")
    for totals in sorted(witness.totals, key=lambda totals: (totals["camera"], totals["kind"], totals["rule"])):
        status = cameras.get(totals["camera_id"])
        table.add_row(
            totals["camera"],
            totals["rule"],
            *(str(totals[field]) for field in ("count_in", "count_out", "effective_in", "effective_out")),
            str(totals["occupancy"]) if totals["kind"] == "zone" else "",
            f"{status.fps:.1f}" if status else "",
            f"{status.state} {status.reason}".strip() if status else "waiting for a worker",
        )
    return Group(
        table,
        f"Model {running.model.model} · API {running.api_url}/docs · live {running.api_url}/api/v1/live · "
        f"Ray dashboard http://{running.dashboard_url} · Ctrl-C ends",
    )


def _comparison(compared: Sequence[Comparison]) -> Table:
    table = _table("camera", "rule", "way", "PostgreSQL", "Redis", "WebSocket", "RabbitMQ", "")
    for one in compared:
        counts = (str(count) for count in (one.postgres, one.redis, one.websocket, one.rabbitmq))
        table.add_row(one.camera, one.rule, one.direction, *counts, "agree" if one.agrees else "[red]differ[/red]")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 or column in ("way", "state", "") else "right")
    return table
