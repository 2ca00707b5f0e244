"""``turnstile backfill``: recorded videos through the whole system into the store."""

import json
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import progress
from rich.console import Console
from sqlalchemy import Engine

from actors.capture.sources import probe
from cluster import replay
from cluster.commands.configured import tenant_id
from cluster.commands.options import Config, Json, Tenant
from cluster.home import Owner, alone, owner
from cluster.replay import Begun, Recording
from cluster.services import Services
from cluster.video import report
from cluster.video.count import CountResult
from schema.database import open_engine
from schema.errors import BadInput
from schema.geometry import Scene, parse_line, parse_zone
from schema.settings import Settings, load_settings
from schema.times import to_ns, to_text


def backfill(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Recorded video files.")],
    camera: Annotated[
        list[str] | None, typer.Option("--camera", help="Count as this camera, one for each VIDEO. Default: its name.")
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="NAME=X1,Y1,X2,Y2", help="A line, in fractions of the picture."),
    ] = None,
    zone: Annotated[
        list[str] | None, typer.Option("--zone", metavar="NAME=X,Y,X,Y,…", help="A zone, in fractions of the picture.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="ISO", help="When the video begins. Default: by the file's date.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="What to count with. Default: the settings'.")] = None,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Count recorded videos into the store. Run again, it goes on where it stopped and adds nothing twice."""
    settings = load_settings(config)
    if model is not None:
        settings = settings.model_copy(update={"model": model})
    recordings = _recordings(videos, camera, _scene(line, zone), start)
    with _system(settings) as (engine, opened_model):
        began_s = time.perf_counter()
        whose = tenant_id(engine, tenant or settings.tenant)
        begun = [
            replay.begin(engine, replace(one, tenant_id=whose), model=opened_model, now_ns=time.time_ns())
            for one in recordings
        ]
        _follow(engine, begun)
        seconds = time.perf_counter() - began_s
        results = [(one, replay.result(engine, one, seconds=seconds)) for one in begun]
    if as_json:
        typer.echo(json.dumps({"videos": [_as_json(one, result) for one, result in results]}))
        return
    for one, result in results:
        Console().print(f"{one.path} as camera '{one.camera.name}', from {to_text(one.camera.started_ns)}")
        Console().print(report.as_table(result))


def _scene(lines: Sequence[str] | None, zones: Sequence[str] | None) -> Scene:
    return Scene(lines=tuple(map(parse_line, lines or ())), zones=tuple(map(parse_zone, zones or ())))


def _recordings(
    videos: Sequence[Path], names: Sequence[str] | None, scene: Scene, start: str | None
) -> list[Recording]:
    if names is not None and len(names) != len(videos):
        raise BadInput(f"there are {len(videos)} videos and {len(names)} --camera: give one for each video, or none")
    names = names or ["".join(c if c.isalnum() or c in "-_" else "-" for c in video.stem) for video in videos]
    if len(set(names)) < len(names):
        raise BadInput("two videos would be the same camera: give each its own name with --camera")
    for video in videos:
        probe(video)
    started_ns = None if start is None else _started_ns(start)
    return [
        Recording(path=video, camera=name, scene=scene, started_ns=started_ns)
        for video, name in zip(videos, names, strict=True)
    ]


def _started_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--start '{text}' is not a time: write it like 2026-05-01T08:00:00Z") from None
    return to_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@contextmanager
def _system(settings: Settings) -> Generator[tuple[Engine, str]]:
    """The store and the model of the system that runs under this home, which is started if there is none."""
    running = owner(settings)
    if running is not None:
        yield open_engine(Services(settings).endpoints.postgres_dsn), _model_of(running, settings)
        return
    from cluster.main import running as run_system  # takes seconds to import

    with (
        alone(settings) as announce,
        Services(settings) as services,
        run_system(settings, services.endpoints, with_api=False, with_live_cameras=False) as system,
    ):
        announce(system.model.model)
        yield open_engine(services.endpoints.postgres_dsn), system.model.model


def _model_of(running: Owner, settings: Settings) -> str:
    if not running.model:
        raise BadInput("turnstile is starting: try again when it runs")
    if settings.model != running.asked_model:
        raise BadInput(
            f"turnstile runs with the model '{running.asked_model}': take that one, or stop it with 'turnstile down'"
        )
    return running.model


def _follow(engine: Engine, begun: Sequence[Begun]) -> None:
    """Wait for the end, with a bar for each video on standard error while it is a terminal."""
    console = Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {one.camera.id: bars.add_task(one.camera.name, total=one.frames) for one in begun}
        for states in replay.follow(engine, begun):
            for camera_id, state in states.items():
                bars.update(tasks[camera_id], completed=state.seq)


def _as_json(begun: Begun, result: CountResult) -> dict[str, Any]:
    return {
        "video": str(begun.path),
        "camera": begun.camera.name,
        "camera_id": begun.camera.id,
        "started_at": to_text(begun.camera.started_ns),
        **report.as_json(result),
    }
