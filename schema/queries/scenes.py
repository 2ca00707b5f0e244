"""Lines and polygons of cameras, version by version."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from schema.geometry import Anchor, Line, Point, Rule, Scene, Zone
from schema.tables import ZoneRow


def of(session: Session, camera_ids: Collection[int]) -> dict[int, Scene]:
    """The rules in force, ids and versions filled in, in the order in which they were made; one scene a camera."""
    rules: dict[int, list[Rule]] = defaultdict(list)
    rows = session.scalars(
        select(ZoneRow)
        .where(ZoneRow.camera_id.in_(camera_ids), ZoneRow.retired_at.is_(None))
        .order_by(ZoneRow.id)
        .execution_options(populate_existing=True)
    )
    for row in rows:
        rules[row.camera_id].append(to_rule(row))
    return {camera_id: _scene(rules[camera_id]) for camera_id in camera_ids}


def put(session: Session, camera_id: int, scene: Scene) -> None:
    """Make the camera count by this scene.

    Rules that are the same keep their row. Those that differ or are gone are retired, and what is new or different
    becomes the next version of its name: versions are never used twice, because ids of crossings are made of them.
    """
    in_force = {rule.name: rule for rule in of(session, [camera_id])[camera_id].rules}
    wanted = {rule.name: replace(rule, id=0, version=1) for rule in scene.rules}
    kept = {name for name, rule in in_force.items() if wanted.get(name) == replace(rule, id=0, version=1)}
    _retire(session, [rule.id for name, rule in in_force.items() if name not in kept])
    fresh = [rule for name, rule in wanted.items() if name not in kept]
    versions = _last_versions(session, camera_id, [rule.name for rule in fresh])
    session.add_all(_row(camera_id, rule, versions.get(rule.name, 0) + 1) for rule in fresh)
    session.flush()


def _retire(session: Session, rule_ids: Sequence[int]) -> None:
    for row in session.scalars(select(ZoneRow).where(ZoneRow.id.in_(rule_ids))):
        row.retired_at = func.now()
    session.flush()


def _last_versions(session: Session, camera_id: int, names: Collection[str]) -> dict[str, int]:
    rows = session.execute(
        select(ZoneRow.name, func.max(ZoneRow.version))
        .where(ZoneRow.camera_id == camera_id, ZoneRow.name.in_(names))
        .group_by(ZoneRow.name)
    )
    return {name: version for name, version in rows}


def _row(camera_id: int, rule: Rule, version: int) -> ZoneRow:
    points = (rule.a, rule.b) if isinstance(rule, Line) else rule.polygon
    return ZoneRow(
        camera_id=camera_id,
        name=rule.name,
        type="line" if isinstance(rule, Line) else "polygon",
        coordinates=[[point.x, point.y] for point in points],
        version=version,
        flip=rule.flip if isinstance(rule, Line) else False,
        anchor=rule.anchor,
        u_turn_s=rule.u_turn_s,
    )


def to_rule(row: ZoneRow) -> Rule:
    """The value of one stored version."""
    points = tuple(Point(x=x, y=y) for x, y in row.coordinates)
    anchor: Anchor = "center" if row.anchor == "center" else "foot"
    if row.type == "line":
        return Line(
            name=row.name,
            a=points[0],
            b=points[1],
            flip=row.flip,
            anchor=anchor,
            u_turn_s=row.u_turn_s,
            id=row.id,
            version=row.version,
        )
    return Zone(name=row.name, polygon=points, anchor=anchor, u_turn_s=row.u_turn_s, id=row.id, version=row.version)


def _scene(rules: Sequence[Rule]) -> Scene:
    return Scene(
        lines=tuple(rule for rule in rules if isinstance(rule, Line)),
        zones=tuple(rule for rule in rules if isinstance(rule, Zone)),
    )
