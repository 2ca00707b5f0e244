"""Finds what a path names."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from schema.errors import BadInput, NotFound
from schema.geometry import Rule
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.tables import CameraRow


def find_camera(session: Session, name: str) -> Camera:
    """The camera of this name.

    Raises:
        NotFound: there is none.
    """
    try:
        return cameras.by_name(session, name)
    except BadInput as error:
        raise NotFound(str(error)) from None


def find_camera_to_edit(session: Session, name: str) -> Camera:
    """The camera of this name, locked until the transaction ends: of two edits at once, the second sees the first.

    Raises:
        NotFound: there is none.
    """
    _lock(session, name)
    return find_camera(session, name)


def look_for_camera(session: Session, name: str) -> Camera | None:
    """The camera of this name, locked like for an edit, or None."""
    return cameras.by_name(session, name) if _lock(session, name) else None


def find_rule(camera: Camera, name: str) -> Rule:
    """The line or zone of this name that is in force.

    Raises:
        NotFound: there is none.
    """
    for rule in camera.scene.rules:
        if rule.name == name:
            return rule
    raise NotFound(f"camera '{camera.name}' has no line or zone '{name}': list its zones to see which there are")


def _lock(session: Session, name: str) -> bool:
    present = select(CameraRow.id).where(CameraRow.name == name, CameraRow.removed_at.is_(None))
    return session.scalar(present.with_for_update()) is not None
