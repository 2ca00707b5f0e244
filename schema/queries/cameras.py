"""Cameras and their scenes, as people configure them.

An edited line or polygon becomes a new version: the old one is retired and keeps its crossings and counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from schema.camera import DEFAULT_DETECT_FPS, CameraSpec, Playback
from schema.errors import BadInput
from schema.geometry import Scene
from schema.queries import scenes
from schema.queries.camera_sources import keep_source, source_of
from schema.sources import without_credentials
from schema.tables import CameraRow
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_datetime, to_ns

NO_RULES = Scene()
_EVIDENCE = "evidence"
"""In ``config``: false where no picture of a crossing may be kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """A camera as configured; see ``schema.camera.CameraSpec`` for the fields that workers get.

    ``id`` is 0 until it is stored, and ``tenant_id`` is then the transaction's. ``status`` is what was last heard of
    it, not configuration: writing ignores it.
    ``source`` may hold a password (stored sealed): redact it before showing it.
    """

    id: int = 0
    name: str
    source: str = field(repr=False)
    friendly_name: str = ""
    ip_address: str | None = None
    enabled: bool = True
    playback: Playback = "live"
    detect_fps: float | None = DEFAULT_DETECT_FPS
    started_ns: int = 0
    tenant_id: int = DEFAULT_TENANT_ID
    evidence: bool = True
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scene: Scene = NO_RULES
    status: str = "new"

    @property
    def spec(self) -> CameraSpec:
        """What a worker needs to know."""
        return CameraSpec(
            id=self.id,
            name=self.name,
            source=self.source,
            scene=self.scene,
            playback=self.playback,
            detect_fps=self.detect_fps,
            started_ns=self.started_ns,
            evidence=self.evidence,
            tenant_id=self.tenant_id,
        )


def listing(session: Session) -> list[Camera]:
    """All cameras but removed ones, by name."""
    return _load(session, _present().order_by(CameraRow.name))


def specs(session: Session) -> list[CameraSpec]:
    """What workers should be watching: enabled cameras with the rules in force, by id."""
    return [camera.spec for camera in _load(session, _present().where(CameraRow.enabled).order_by(CameraRow.id))]


def get(session: Session, camera_id: int) -> Camera:
    """One camera.

    Raises:
        BadInput: there is none with this id, or it was removed.
    """
    for camera in _load(session, _present().where(CameraRow.id == camera_id)):
        return camera
    raise BadInput(f"there is no camera {camera_id}: list the cameras to see which there are")


def by_name(session: Session, name: str) -> Camera:
    """One camera.

    Raises:
        BadInput: there is none with this name, or it was removed.
    """
    for camera in _load(session, _present().where(CameraRow.name == name)):
        return camera
    raise BadInput(f"there is no camera '{name}': list the cameras to see which there are")


def add(session: Session, camera: Camera) -> Camera:
    """Store a new camera and its scene.

    Returns:
        It with its id, and its rules with ids and versions.

    Raises:
        BadInput: the name is taken or unusable.
    """
    row = CameraRow()
    session.add(row)
    _write(session, row, camera)
    scenes.put(session, row.id, camera.scene)
    return get(session, row.id)


def change(session: Session, camera: Camera) -> Camera:
    """Make the stored camera with this id equal to the one given; its rules that differ become new versions.

    Raises:
        BadInput: there is no such camera, or its new name is taken or unusable.
    """
    row = session.scalar(_present().where(CameraRow.id == camera.id).with_for_update())
    if row is None:
        raise BadInput(f"there is no camera {camera.id}: list the cameras to see which there are")
    _write(session, row, camera)
    scenes.put(session, row.id, camera.scene)
    return get(session, row.id)


def put(session: Session, camera: Camera) -> Camera:
    """Add the camera, or change the one that has its name.

    Raises:
        BadInput: the name is unusable.
    """
    camera_id = session.scalar(
        select(CameraRow.id).where(CameraRow.name == camera.name, CameraRow.removed_at.is_(None))
    )
    return add(session, camera) if camera_id is None else change(session, replace(camera, id=camera_id))


def remove(session: Session, camera_id: int) -> None:
    """Stop counting with a camera, free its name and forget its credentials; its history stays.

    Raises:
        BadInput: there is none with this id, or it was removed before.
    """
    row = session.scalar(_present().where(CameraRow.id == camera_id).with_for_update())
    if row is None:
        raise BadInput(f"there is no camera {camera_id}: list the cameras to see which there are")
    row.enabled = False
    row.source, row.source_sealed = without_credentials(row.source), None
    row.removed_at = func.now()
    session.flush()
    scenes.put(session, camera_id, NO_RULES)


def _present() -> Select[CameraRow]:
    return select(CameraRow).where(CameraRow.removed_at.is_(None)).execution_options(populate_existing=True)


def _load(session: Session, rows: Select[CameraRow]) -> list[Camera]:
    found = list(session.scalars(rows))
    in_force = scenes.of(session, [row.id for row in found])
    return [_camera(row, in_force[row.id]) for row in found]


def _camera(row: CameraRow, scene: Scene) -> Camera:
    return Camera(
        id=row.id,
        name=row.name,
        source=source_of(row),
        friendly_name=row.friendly_name,
        ip_address=None if row.ip_address is None else str(row.ip_address),
        enabled=row.enabled,
        playback="recorded" if row.playback == "recorded" else "live",
        detect_fps=row.detect_fps,
        started_ns=0 if row.started_at is None else to_ns(row.started_at),
        tenant_id=row.tenant_id,
        evidence=row.config.get(_EVIDENCE, True),
        config={key: value for key, value in row.config.items() if key != _EVIDENCE},
        scene=scene,
        status=row.status,
    )


def _write(session: Session, row: CameraRow, camera: Camera) -> None:
    _check(camera)
    row.name = camera.name
    keep_source(row, camera.source)
    row.friendly_name = camera.friendly_name
    row.ip_address = camera.ip_address
    row.enabled = camera.enabled
    row.playback = camera.playback
    row.detect_fps = camera.detect_fps
    row.started_at = to_datetime(camera.started_ns) if camera.started_ns else None
    row.config = {**camera.config, **({} if camera.evidence else {_EVIDENCE: False})}
    try:
        session.flush()
    except IntegrityError as error:
        # Everything else that the table checks has been checked.
        raise BadInput(f"the camera name '{camera.name}' is taken: choose another, or change that camera") from error


def _check(camera: Camera) -> None:
    if not camera.name or len(camera.name) > 64 or any(not (c.isalnum() or c in "-_") for c in camera.name):
        raise BadInput(f"camera name '{camera.name}' is not usable: take 1 to 64 letters, digits, '-' or '_'")
    if not camera.source:
        raise BadInput(f"camera '{camera.name}' has no source: give an RTSP or HTTP URL, or the path of a video file")
    if camera.detect_fps is not None and not 0 < camera.detect_fps <= 1000:
        raise BadInput(f"camera '{camera.name}' has detect_fps {camera.detect_fps:g}: give more than 0, up to 1000")
    if camera.ip_address is not None:
        try:
            ip_address(camera.ip_address)
        except ValueError:
            raise BadInput(f"camera '{camera.name}' has ip_address '{camera.ip_address}': give an IP address") from None
