"""Alerts: what is wrong, since when, and whether somebody knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import TextClause, select, text
from sqlalchemy.orm import Session

from schema.alerts import Severity
from schema.errors import NotFound
from schema.names import ALERTS_EXCHANGE
from schema.tables import AlertRow
from schema.times import to_datetime, to_ns
from schema.wire import dump

CAMERA_OFFLINE: Final = "camera_offline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One thing that is or was wrong: with a camera, with one of its rules, or (None) with the whole.

    ``resolved_ns`` and ``acknowledged_ns`` are None until it is over, and until somebody says that he knows.
    """

    id: int = 0
    type: str
    severity: Severity
    message: str
    raised_ns: int
    camera_id: int | None = None
    zone_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    resolved_ns: int | None = None
    acknowledged_ns: int | None = None
    acknowledged_by: int | None = None


def raise_(session: Session, alert: Alert) -> int | None:
    """Open an alert in the transaction's tenant, and let others know.

    Returns:
        Its id; None where one of this type is open for the same camera and rule, which then stays as it is.
    """
    return session.scalar(
        _RAISE,
        {
            "type": alert.type,
            "severity": alert.severity,
            "message": alert.message,
            "at": to_datetime(alert.raised_ns),
            "camera_id": alert.camera_id,
            "zone_id": alert.zone_id,
            "data": dump(alert.data).decode(),
        },
    )


def resolve(
    session: Session, type_: str, *, camera_id: int | None = None, zone_id: int | None = None, now_ns: int
) -> bool:
    """Close the alert of this type that is open for a camera and rule, and let others know; False where none is."""
    which = {"type": type_, "camera_id": camera_id, "zone_id": zone_id, "now": to_datetime(now_ns)}
    return session.scalar(_RESOLVE, which) is not None


def acknowledge(session: Session, alert_id: int, *, user_id: int, now_ns: int) -> Alert:
    """Note that somebody knows; whoever said so first stays.

    Raises:
        NotFound: there is no such alert.
    """
    row = session.get(AlertRow, alert_id, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no alert {alert_id}: list the alerts to see which there are")
    if row.acknowledged_at is None:
        row.acknowledged_at, row.acknowledged_by = to_datetime(now_ns), user_id
        session.flush()
    return _alert(row)


def listing(
    session: Session,
    *,
    open_only: bool = False,
    camera_id: int | None = None,
    before_ns: int | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Alerts of the transaction's tenant, newest first.

    Args:
        session: where to read.
        open_only: leave out resolved ones.
        camera_id: of this camera only.
        before_ns: raised before; None for no limit.
        limit: how many at most.
    """
    query = select(AlertRow).order_by(AlertRow.timestamp.desc(), AlertRow.id.desc()).limit(limit)
    if open_only:
        query = query.where(AlertRow.resolved_at.is_(None))
    if camera_id is not None:
        query = query.where(AlertRow.camera_id == camera_id)
    if before_ns is not None:
        query = query.where(AlertRow.timestamp < to_datetime(before_ns))
    return [_alert(row) for row in session.scalars(query)]


def follow_cameras(session: Session, *, now_ns: int, patience_s: float) -> None:
    """Raise an alert for each live camera that has been away for longer than ``patience_s``, and resolve it on return.

    A camera that is disabled or removed is nobody's worry: its alert is resolved too. The system does this for all
    tenants at once.
    """
    now = to_datetime(now_ns)
    session.execute(_RAISE_OFFLINE, {"now": now, "patience_s": patience_s, "type": CAMERA_OFFLINE})
    session.execute(_RESOLVE_OFFLINE, {"now": now, "type": CAMERA_OFFLINE})


# Messages go where crossings' go: into the outbox, in the same transaction.
_TELL: Final = """, told as (
    insert into outbox (tenant_id, event_id, exchange, routing_key, body)
    select tenant_id, gen_random_uuid(), :exchange, severity || '.' || type, jsonb_build_object(
        'type', 'alert', 'alert_id', id, 'alert', type, 'severity', severity, 'message', message,
        'state', case when resolved_at is null then 'open' else 'resolved' end,
        'raised_at', to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'resolved_at', to_char(resolved_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'camera_id', camera_id, 'rule_id', zone_id)
    from changed
) select id from changed"""


def _told(change: str) -> TextClause:
    return text(f"with changed as ({change} returning alerts.*){_TELL}").bindparams(exchange=ALERTS_EXCHANGE)


_RAISE: Final = _told("""
    insert into alerts (type, severity, message, timestamp, camera_id, zone_id, data)
    values (:type, cast(:severity as alert_severity), :message, :at, :camera_id, :zone_id, cast(:data as jsonb))
    on conflict do nothing
""")
_RESOLVE: Final = _told("""
    update alerts set resolved_at = greatest(cast(:now as timestamptz), timestamp)
    where type = :type and camera_id is not distinct from cast(:camera_id as bigint)
      and zone_id is not distinct from cast(:zone_id as bigint) and resolved_at is null
""")

_AWAY: Final = (
    "c.status in ('lost', 'refused', 'failed') and c.enabled and c.removed_at is null and c.playback = 'live'"
)

_RAISE_OFFLINE: Final = _told(f"""
    insert into alerts (tenant_id, type, severity, message, timestamp, camera_id, data)
    select c.tenant_id, :type, 'warning', 'Camera ' || c.name || ' is not watched: ' || c.status, :now, c.id,
        jsonb_build_object('status', c.status, 'since', c.status_at)
    from cameras c where {_AWAY} and c.status_at < cast(:now as timestamptz) - make_interval(secs => :patience_s)
    on conflict do nothing
""")  # noqa: S608 - our own words
_RESOLVE_OFFLINE: Final = _told(f"""
    update alerts set resolved_at = greatest(cast(:now as timestamptz), alerts.timestamp)
    from cameras c
    where alerts.type = :type and alerts.resolved_at is null and c.id = alerts.camera_id and not ({_AWAY})
""")  # noqa: S608 - our own words


def _alert(row: AlertRow) -> Alert:
    return Alert(
        id=row.id,
        type=row.type,
        severity=row.severity,
        message=row.message,
        raised_ns=to_ns(row.timestamp),
        camera_id=row.camera_id,
        zone_id=row.zone_id,
        data=row.data,
        resolved_ns=None if row.resolved_at is None else to_ns(row.resolved_at),
        acknowledged_ns=None if row.acknowledged_at is None else to_ns(row.acknowledged_at),
        acknowledged_by=row.acknowledged_by,
    )
