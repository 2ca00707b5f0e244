"""``turnstile up``, ``down`` and ``status``: the system that watches the cameras of the settings."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import Engine

from actors.capture.sources import probe
from cluster.commands.configured import tenant_id
from cluster.commands.options import Config, Json
from cluster.commands.stopping import asked_to_stop
from cluster.home import alone, join_ray, owner
from cluster.services import Services
from cluster.supervisor import Overview
from schema.database import across_tenants, open_engine, transaction
from schema.errors import BadInput, StoreUnavailable
from schema.names import RAY_NAMESPACE, SUPERVISOR_ACTOR
from schema.queries import cameras, totals
from schema.queries.cameras import Camera
from schema.settings import Settings, load_settings
from schema.sources import is_live
from schema.work import CameraStatus

_REFRESH_S = 1.0
_DOWN_S = 60.0


def up(config: Config = None) -> None:
    """Start everything, watch the cameras of the settings and those in the database, and show them until Ctrl-C."""
    settings = load_settings(config)
    configured = [_camera(settings, name) for name in settings.cameras]
    from cluster.main import running as run_system  # takes seconds to import

    console = Console(file=sys.stdout)
    with (
        alone(settings) as announce,
        Services(settings) as services,
        run_system(settings, services.endpoints) as system,
    ):
        engine = open_engine(services.endpoints.postgres_dsn)
        with transaction(engine, tenant_id(engine, settings.tenant)) as session:
            for camera in configured:
                cameras.put(session, camera)
        announce(system.model.model)
        console.print(f"model {system.model.model}, API {system.api_url}, Ray dashboard {system.dashboard_url}")
        with asked_to_stop() as stop:
            _show_until(stop, console, system.overview, engine)


def down(config: Config = None) -> None:
    """Stop what `turnstile up` started under this home, and its private services."""
    settings = load_settings(config)
    running = owner(settings)
    if running is not None:
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_S
        while owner(settings) is not None:
            if time.monotonic() > deadline:
                raise BadInput(f"process {running.pid} does not stop: end it with 'kill -9 {running.pid}'")
            time.sleep(0.2)
    Services(settings).stop()
    Console().print("stopped" if running else "nothing was counting; private services are stopped")


def status(config: Config = None, as_json: Json = False) -> None:
    """Show the cameras and workers of the running system; exit 1 where none runs."""
    settings = load_settings(config)
    running = owner(settings)
    if running is None:
        if as_json:
            typer.echo(json.dumps({"running": False}))
        else:
            Console().print(f"nothing runs in {settings.home}: start it with 'turnstile up'")
        raise typer.Exit(1)
    overview = _ask_supervisor(settings) if running.model else Overview()  # without a model it is still starting
    if as_json:
        typer.echo(json.dumps({"running": True, **asdict(running), **_as_json(overview)}))
    else:
        Console().print(_table(overview, {}))


def _camera(settings: Settings, name: str) -> Camera:
    given = settings.cameras[name]
    if not is_live(given.source):
        probe(given.source)
    return Camera(
        name=name,
        friendly_name=given.friendly_name,
        source=given.source if is_live(given.source) else os.path.abspath(given.source),
        enabled=given.enabled,
        evidence=given.evidence,
        detect_fps=given.detect_fps,
        scene=given.scene,
    )


def _show_until(stop: threading.Event, console: Console, overview: Any, engine: Engine) -> None:
    with Live(console=console, refresh_per_second=1, transient=True, auto_refresh=False) as live:
        while not stop.wait(_REFRESH_S):
            if console.is_terminal:
                live.update(_table(overview(), _counts(engine)), refresh=True)


def _counts(engine: Engine) -> Mapping[int, str]:
    """In and out of every tenant's lines and zones, by camera id; nothing while PostgreSQL does not answer."""
    counts: dict[int, list[str]] = {}
    try:
        with across_tenants(engine) as session:
            for rule in totals.live(session):
                sums = rule.totals.totals
                text = f"{rule.totals.rule} {sums.count_in} in {sums.count_out} out"
                counts.setdefault(rule.totals.camera_id, []).append(text)
    except StoreUnavailable:
        return {}
    return {camera_id: ", ".join(texts) for camera_id, texts in counts.items()}


def _ask_supervisor(settings: Settings) -> Overview:
    join_ray(settings)
    import ray

    supervisor: Any = ray.get_actor(SUPERVISOR_ACTOR, namespace=RAY_NAMESPACE)
    return cast(Overview, ray.get(supervisor.overview.remote(), timeout=10))


def _rows(overview: Overview) -> Sequence[tuple[str, CameraStatus]]:
    rows = [(worker.name, camera) for worker in overview.workers for camera in worker.cameras]
    return sorted(rows, key=lambda row: row[1].spec.name)


def _table(overview: Overview, counts: Mapping[int, str]) -> Table:
    table = Table("camera", "state", "fps", "behind", "skipped", "counts", "worker")
    for worker, camera in _rows(overview):
        state = camera.state if not camera.reason else f"{camera.state}: {camera.reason}"
        table.add_row(
            camera.spec.name,
            state,
            f"{camera.fps:.1f}",
            f"{camera.lag_s:.2f} s",
            str(camera.skipped),
            counts.get(camera.spec.id, ""),
            worker,
        )
    for name in overview.unplaced:
        table.add_row(name, "waits for a worker", "", "", "", "", "")
    for name in overview.silent:
        table.add_row("", "", "", "", "", "", f"{name} does not answer")
    return table


def _as_json(overview: Overview) -> dict[str, Any]:
    """Sources are left out: they may hold passwords."""
    return {
        "cameras": [
            {
                "camera": camera.spec.name,
                "camera_id": camera.spec.id,
                "worker": worker,
                "state": camera.state,
                "reason": camera.reason,
                "fps": round(camera.fps, 2),
                "looked_at": camera.looked_at,
                "skipped": camera.skipped,
                "reconnects": camera.reconnects,
                "lag_s": round(camera.lag_s, 3),
                "model": camera.model,
            }
            for worker, camera in _rows(overview)
        ],
        "silent_workers": list(overview.silent),
        "unplaced_cameras": list(overview.unplaced),
    }
