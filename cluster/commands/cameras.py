"""``turnstile cameras``: edit what is watched, straight in the database.

A running system takes up every change within seconds, without a gap at the other cameras.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cluster.commands.configured import CameraName, Lines, Zones, database, find_camera, print_json, rules_table
from cluster.commands.options import Config, Json, Tenant
from schema.camera import DEFAULT_DETECT_FPS
from schema.crypto import CAMERA_SOURCE
from schema.errors import AlreadyExists, BadInput
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import cameras as stored
from schema.queries.audit import record_read
from schema.queries.cameras import Camera
from schema.sources import check_source, is_live, redact
from serve_app.api.shapes import CameraAnswer

cameras = typer.Typer()

FriendlyName = Annotated[str | None, typer.Option(help="What people call the camera.")]
Evidence = Annotated[
    bool | None, typer.Option("--evidence/--no-evidence", help="Keep a picture of each crossing, or none.")
]
DetectFps = Annotated[str | None, typer.Option(help="Frames a second that are looked at, or 'all'.")]


@cameras.command("list")
def list_cameras(tenant: Tenant = None, config: Config = None, as_json: Json = False) -> None:
    """List all cameras."""
    with database(config, tenant) as session:
        found = stored.listing(session)
    if as_json:
        print_json([CameraAnswer.of(camera).model_dump(mode="json") for camera in found])
        return
    table = Table("name", "source", "status", "frames a second", "lines", "zones")
    for camera in found:
        status = camera.status if camera.enabled else "disabled"
        lines, areas = (", ".join(rule.name for rule in rules) for rules in (camera.scene.lines, camera.scene.zones))
        table.add_row(camera.name, redact(camera.source), status, _fps(camera), lines, areas)
    Console().print(table)


@cameras.command("show")
def show_camera(
    name: CameraName,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the source with its credentials; the audit trail will say so.")
    ] = False,
    tenant: Tenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show one camera with its lines and zones."""
    with database(config, tenant) as session:
        camera = find_camera(session, name)
        if reveal:
            record_read(session, CAMERA_SOURCE, camera.id)
    source = camera.source if reveal else redact(camera.source)
    if as_json:
        print_json(CameraAnswer.of(camera).model_dump(mode="json") | {"source": source})
        return
    title = f"{camera.friendly_name} ({camera.name})" if camera.friendly_name else camera.name
    state = camera.status if camera.enabled else "disabled"
    Console().print(f"{title}: {source}, {state}, {_fps(camera)} frames a second", highlight=False)
    Console().print(rules_table(camera.scene))


@cameras.command("add")
def add_camera(
    name: CameraName,
    source: Annotated[str, typer.Argument(help="RTSP or HTTP URL, or a video file, which then plays over and over.")],
    friendly_name: FriendlyName = None,
    detect_fps: DetectFps = None,
    evidence: Evidence = None,
    line: Lines = None,
    zone: Zones = None,
    tenant: Tenant = None,
    config: Config = None,
) -> None:
    """Add a camera, all or nothing."""
    scene = Scene(lines=tuple(map(parse_line, line or ())), zones=tuple(map(parse_zone, zone or ())))
    camera = Camera(
        name=name,
        source=_source(source),
        friendly_name=friendly_name or "",
        detect_fps=DEFAULT_DETECT_FPS if detect_fps is None else _parse_fps(detect_fps),
        evidence=evidence is not False,
        scene=scene,
    )
    with database(config, tenant) as session:
        if any(other.name == name for other in stored.listing(session)):
            raise AlreadyExists(f"there is a camera '{name}' already: choose another name, or use 'cameras change'")
        stored.add(session, camera)
    typer.echo(f"added camera {name}")


@cameras.command("change")
def change_camera(
    name: CameraName,
    source: Annotated[str | None, typer.Option(help="RTSP or HTTP URL, or a video file.")] = None,
    friendly_name: FriendlyName = None,
    detect_fps: DetectFps = None,
    evidence: Evidence = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Count with it or not.")] = None,
    tenant: Tenant = None,
    config: Config = None,
) -> None:
    """Change what is given; lines and zones are changed by 'turnstile zones'."""
    given: dict[str, Any] = {
        "source": None if source is None else _source(source),
        "friendly_name": friendly_name,
        "evidence": evidence,
        "enabled": enabled,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if detect_fps is not None:
        changes["detect_fps"] = _parse_fps(detect_fps)
    if not changes:
        options = "--source, --friendly-name, --detect-fps, --[no-]evidence, --enable or --disable"
        raise BadInput(f"nothing to change: give {options}")
    with database(config, tenant) as session:
        stored.change(session, replace(find_camera(session, name), **changes))
    typer.echo(f"changed camera {name}")


@cameras.command("remove")
def remove_camera(name: CameraName, tenant: Tenant = None, config: Config = None) -> None:
    """Stop counting with a camera and free its name; what it counted stays in the store."""
    with database(config, tenant) as session:
        stored.remove(session, find_camera(session, name).id)
    typer.echo(f"removed camera {name}")


def _source(given: str) -> str:
    check_source(given)
    if is_live(given):
        return given
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise BadInput(f"there is no file {path}: give the path of a video file, or an RTSP or HTTP URL")
    return str(path)


def _parse_fps(given: str) -> float | None:
    if given == "all":
        return None
    try:
        return float(given)
    except ValueError:
        raise BadInput(f"--detect-fps is '{given}': give frames a second like 8, or 'all'") from None


def _fps(camera: Camera) -> str:
    return "all" if camera.detect_fps is None else f"{camera.detect_fps:g}"
