"""``turnstile zones``: edit the lines and zones that a camera counts by, straight in the database.

A running system takes up every change within seconds, without a gap at the other cameras.
"""

from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.orm import Session

from cluster.commands.configured import CameraName, Lines, Zones, database, find_camera, print_json, rules_table
from cluster.commands.options import Config, Json, Tenant
from schema.errors import AlreadyExists, BadInput, NotFound
from schema.geometry import Line, Rule, Scene, Zone, parse_line, parse_zone
from schema.queries import cameras as stored
from schema.queries.cameras import Camera
from serve_app.api.shapes import RuleAnswer

zones = typer.Typer()

Flip = Annotated[bool | None, typer.Option("--flip/--no-flip", help="Swap in and out of the lines given, or not.")]


@zones.command("list")
def list_rules(camera: CameraName, tenant: Tenant = None, config: Config = None, as_json: Json = False) -> None:
    """List a camera's lines and zones."""
    with database(config, tenant) as session:
        scene = find_camera(session, camera).scene
    if as_json:
        print_json([RuleAnswer.of(rule).model_dump(mode="json") for rule in scene.rules])
        return
    Console().print(rules_table(scene))


@zones.command("add")
def add_rules(
    camera: CameraName,
    line: Lines = None,
    zone: Zones = None,
    flip: Flip = None,
    tenant: Tenant = None,
    config: Config = None,
) -> None:
    """Add lines and zones to a camera, all or nothing."""
    rules = _parse_rules(line, zone, flip)
    with database(config, tenant) as session:
        found = find_camera(session, camera)
        taken = {rule.name for rule in found.scene.rules}
        for rule in rules:
            if rule.name in taken:
                raise AlreadyExists(
                    f"camera '{camera}' has a '{rule.name}' already: choose another name, or use change"
                )
        _put_rules(session, found, rules)
    typer.echo(f"added {', '.join(rule.name for rule in rules)} to camera {camera}")


@zones.command("change")
def change_rules(
    camera: CameraName,
    line: Lines = None,
    zone: Zones = None,
    flip: Flip = None,
    tenant: Tenant = None,
    config: Config = None,
) -> None:
    """Give lines and zones of a camera another shape, as new versions; counts so far stay with the old ones."""
    rules = _parse_rules(line, zone, flip)
    with database(config, tenant) as session:
        found = find_camera(session, camera)
        _put_rules(session, found, [_reshaped(_rule_of(found, rule.name), rule, flip) for rule in rules])
    typer.echo(f"changed {', '.join(rule.name for rule in rules)} of camera {camera}")


@zones.command("remove")
def remove_rule(
    camera: CameraName,
    name: Annotated[str, typer.Argument(help="The line or zone.")],
    tenant: Tenant = None,
    config: Config = None,
) -> None:
    """Stop counting by a line or zone; what it counted stays in the store."""
    with database(config, tenant) as session:
        found = find_camera(session, camera)
        _rule_of(found, name)
        stored.change(session, replace(found, scene=found.scene.without(name)))
    typer.echo(f"removed {name} from camera {camera}")


def _rule_of(camera: Camera, name: str) -> Rule:
    for rule in camera.scene.rules:
        if rule.name == name:
            return rule
    raise NotFound(f"camera '{camera.name}' has no line or zone '{name}': 'turnstile zones list' shows its own")


def _reshaped(old: Rule, new: Rule, flip: bool | None) -> Rule:
    """The old rule in its new shape: what the command line did not mention stays."""
    if isinstance(old, Line) and isinstance(new, Line):
        return replace(old, a=new.a, b=new.b, flip=old.flip if flip is None else flip)
    if isinstance(old, Zone) and isinstance(new, Zone):
        return replace(old, polygon=new.polygon)
    return new


def _put_rules(session: Session, camera: Camera, rules: list[Rule]) -> None:
    scene = camera.scene
    for rule in rules:
        scene = scene.with_rule(rule)
    stored.change(session, replace(camera, scene=scene))


def _parse_rules(lines: list[str] | None, zones: list[str] | None, flip: bool | None) -> list[Rule]:
    scene = Scene(
        lines=tuple(replace(parse_line(text), flip=bool(flip)) for text in lines or ()),
        zones=tuple(map(parse_zone, zones or ())),
    )
    if not scene.rules:
        raise BadInput("no line or zone given: write --line door=0.5,0,0.5,1 or --zone hall=0.1,0.1,0.9,0.1,0.5,0.9")
    return list(scene.rules)
