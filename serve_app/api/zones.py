"""Lines and zones of a camera, one by one. Each edit makes a new version; crossings keep the one that counted them."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Response
from sqlalchemy.orm import Session

from schema.errors import AlreadyExists
from schema.geometry import Rule
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.queries.versions import versions_of
from serve_app.api import V1
from serve_app.api.backend import OpenBackend
from serve_app.api.inputs import CameraPath, RulePath
from serve_app.api.lookup import find_camera, find_camera_to_edit, find_rule
from serve_app.api.shapes import LineBody, NewLine, NewZone, RuleAnswer, VersionAnswer, ZoneBody

router = APIRouter(prefix=V1 + "/cameras/{camera}/zones", tags=["lines and zones"])

NewRule = Annotated[NewLine | NewZone, Body(discriminator="kind")]
ChangedRule = Annotated[LineBody | ZoneBody, Body(discriminator="kind")]


@router.get("", summary="List a camera's lines and zones")
def list_rules(backend: OpenBackend, camera: CameraPath) -> list[RuleAnswer]:
    """Those in force, lines first."""
    with backend.transaction() as session:
        return [RuleAnswer.of(rule) for rule in find_camera(session, camera).scene.rules]


@router.post("", status_code=HTTPStatus.CREATED, summary="Add a line or zone")
def add_rule(backend: OpenBackend, camera: CameraPath, body: NewRule, response: Response) -> RuleAnswer:
    """Counting by it begins within seconds, without a gap in the camera's other counts."""
    rule = body.rule(body.name)
    with backend.transaction() as session:
        current = find_camera_to_edit(session, camera)
        if any(other.name == rule.name for other in current.scene.rules):
            raise AlreadyExists(
                f"camera '{camera}' has a line or zone '{rule.name}' already: choose another name, or PUT to change it"
            )
        stored = _store(session, current, rule)
    response.headers["Location"] = f"{V1}/cameras/{camera}/zones/{quote(rule.name)}"
    return RuleAnswer.of(stored)


@router.get("/{zone}", summary="Show a line or zone")
def get_rule(backend: OpenBackend, camera: CameraPath, zone: RulePath) -> RuleAnswer:
    """The version in force."""
    with backend.transaction() as session:
        return RuleAnswer.of(find_rule(find_camera(session, camera), zone))


@router.get("/{zone}/versions", summary="Show what a line or zone used to be")
def get_versions(backend: OpenBackend, camera: CameraPath, zone: RulePath) -> list[VersionAnswer]:
    """All versions, newest first. A name that never was has none."""
    with backend.transaction() as session:
        found = versions_of(session, find_camera(session, camera).id, zone)
    return [VersionAnswer.of_version(version) for version in found]


@router.put("/{zone}", summary="Add or change a line or zone", responses={201: {"model": RuleAnswer}})
def put_rule(
    backend: OpenBackend, camera: CameraPath, zone: RulePath, body: ChangedRule, response: Response
) -> RuleAnswer:
    """Make it be as given, as a new version if that differs; doing it again changes nothing."""
    rule = body.rule(zone)
    with backend.transaction() as session:
        current = find_camera_to_edit(session, camera)
        is_new = all(other.name != zone for other in current.scene.rules)
        stored = _store(session, current, rule)
    if is_new:
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = f"{V1}/cameras/{camera}/zones/{quote(zone)}"
    return RuleAnswer.of(stored)


@router.delete("/{zone}", status_code=HTTPStatus.NO_CONTENT, summary="Remove a line or zone")
def remove_rule(backend: OpenBackend, camera: CameraPath, zone: RulePath) -> None:
    """Stop counting by it; what it counted stays in the store."""
    with backend.transaction() as session:
        current = find_camera_to_edit(session, camera)
        find_rule(current, zone)
        cameras.change(session, replace(current, scene=current.scene.without(zone)))


def _store(session: Session, camera: Camera, rule: Rule) -> Rule:
    changed = cameras.change(session, replace(camera, scene=camera.scene.with_rule(rule)))
    return find_rule(changed, rule.name)
