"""What a line or polygon used to be: crossings keep the version that counted them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from schema.geometry import Rule
from schema.queries.scenes import to_rule
from schema.tables import ZoneRow


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleVersion:
    """One version, and when it was in force; ``retired_at`` is None while it is."""

    rule: Rule
    created_at: datetime
    retired_at: datetime | None


def versions_of(session: Session, camera_id: int, name: str) -> list[RuleVersion]:
    """All versions of one name at one camera, newest first."""
    rows = session.scalars(
        select(ZoneRow).where(ZoneRow.camera_id == camera_id, ZoneRow.name == name).order_by(ZoneRow.version.desc())
    )
    return [RuleVersion(rule=to_rule(row), created_at=row.created_at, retired_at=row.retired_at) for row in rows]
