"""Cameras: where pictures come from, and what is counted in them."""

from dataclasses import replace
from http import HTTPStatus

from fastapi import APIRouter, Response

from schema.cache import statuses
from schema.errors import AlreadyExists
from schema.queries import cameras
from schema.queries.cameras import Camera
from serve_app.api import V1
from serve_app.api.backend import OpenBackend
from serve_app.api.inputs import CameraPath
from serve_app.api.lookup import find_camera, find_camera_to_edit, look_for_camera
from serve_app.api.shapes import CameraAnswer, CameraBody, NewCamera

router = APIRouter(prefix=f"{V1}/cameras", tags=["cameras"])


@router.get("", summary="List cameras")
def list_cameras(backend: OpenBackend) -> list[CameraAnswer]:
    """All cameras by name, with the lines and zones in force, and how each of them is doing now."""
    with backend.transaction() as session:
        found = cameras.listing(session)
    now = statuses.read(backend.cache, [camera.id for camera in found])
    return [CameraAnswer.of(camera, now.get(camera.id)) for camera in found]


@router.post("", status_code=HTTPStatus.CREATED, summary="Add a camera")
def add_camera(backend: OpenBackend, body: NewCamera, response: Response) -> CameraAnswer:
    """Store a camera and its lines and zones, all or nothing; a worker takes it up within seconds."""
    with backend.transaction() as session:
        if look_for_camera(session, body.name):
            raise AlreadyExists(f"there is a camera '{body.name}' already: choose another name, or PUT to change it")
        added = cameras.add(session, _wanted(body.name, body, None))
    response.headers["Location"] = f"{V1}/cameras/{added.name}"
    return CameraAnswer.of(added)


@router.get("/{camera}", summary="Show a camera")
def get_camera(backend: OpenBackend, camera: CameraPath) -> CameraAnswer:
    """One camera; the user name and password in its source are hidden."""
    with backend.transaction() as session:
        found = find_camera(session, camera)
    return CameraAnswer.of(found, statuses.read(backend.cache, [found.id]).get(found.id))


@router.put("/{camera}", summary="Add or change a camera", responses={201: {"model": CameraAnswer}})
def put_camera(backend: OpenBackend, camera: CameraPath, body: CameraBody, response: Response) -> CameraAnswer:
    """Make the camera be as given; doing it again changes nothing.

    A line or zone that differs becomes a new version, one that is left out is retired; if neither ``lines`` nor
    ``zones`` are given, they stay. The source just as it is answered, its password hidden, keeps the stored one.
    """
    with backend.transaction() as session:
        current = look_for_camera(session, camera)
        stored = cameras.put(session, _wanted(camera, body, current))
    if current is None:
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = f"{V1}/cameras/{camera}"
    return CameraAnswer.of(stored)


@router.delete("/{camera}", status_code=HTTPStatus.NO_CONTENT, summary="Remove a camera")
def remove_camera(backend: OpenBackend, camera: CameraPath) -> None:
    """Stop counting with a camera and free its name; what it counted stays in the store."""
    with backend.transaction() as session:
        cameras.remove(session, find_camera_to_edit(session, camera).id)


def _wanted(name: str, body: CameraBody, current: Camera | None) -> Camera:
    base = current or Camera(name=name, source=body.source)
    return replace(
        base,
        source=body.real_source(base.source if current else None),
        friendly_name=body.friendly_name,
        enabled=body.enabled,
        detect_fps=body.detect_fps,
        evidence=body.evidence,
        scene=body.scene if body.says_scene or current is None else current.scene,
    )
