"""All that is known of a person, to be handed out to him."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, TextClause, text
from sqlalchemy.orm import Session

from schema.crypto import USER_EMAIL
from schema.database import auditing, transaction
from schema.errors import NotFound
from schema.privacy.person import Person, person_of
from schema.queries import audit
from schema.tables import UserRow
from schema.times import to_ns, to_text

Parts = Mapping[str, Any]


def collect(engine: Engine, tenant_id: int, user_id: int) -> Parts:
    """What is handed out, by part: values for JSON, times as ISO 8601.

    ``profile`` with the e-mail address opened, ``sessions``, ``actions`` (the audit trail's entries of what he did, and
    of what was done to his account), ``addresses`` from which he acted, ``jobs`` that he asked for, ``exports`` that
    they made, ``alerts`` that he acknowledged. That his address was opened is recorded in the audit trail.

    Raises:
        NotFound: the tenant has no such user.
        StoreUnavailable: PostgreSQL does not answer.
    """
    given = {"user_id": user_id}
    with transaction(engine, tenant_id) as session:
        row = session.get(UserRow, user_id)
        if row is None:
            raise NotFound(f"there is no user {user_id} in this tenant: check the number and the tenant")
        parts: dict[str, Any] = {
            "profile": _profile(row, person_of(session, row)),
            "sessions": _rows(session, _SESSIONS, given),
            "jobs": _rows(session, _JOBS, given),
            "exports": _rows(session, _EXPORTS, given),
            "alerts": _rows(session, _ALERTS, given),
        }
        if row.email_sealed is not None:
            audit.record_read(session, USER_EMAIL, user_id)
    with auditing(engine, tenant_id) as session:
        parts["actions"] = _rows(session, _ACTIONS, given)
        parts["addresses"] = _rows(session, _ORIGINS, given)
    return parts


def _profile(row: UserRow, person: Person) -> dict[str, Any]:
    return {
        "id": row.id,
        "username": row.username,
        "email": person.email,
        "role": row.role,
        "has_password": row.password_hash is not None,
        "is_active": row.is_active,
        "created_at": _plain(row.created_at),
        "last_login_at": _plain(row.last_login_at),
        "erased_at": _plain(row.erased_at),
    }


def _rows(session: Session, query: TextClause, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = session.execute(query, given).mappings()
    return [{str(name): _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return to_text(to_ns(value))
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case _:
            return value


# Digests of tokens are left out: they tell him nothing.
_SESSIONS: Final = text(
    "select id, created_at, expires_at, last_seen_at, host(ip_address) as ip_address, user_agent, revoked_at"
    " from user_sessions where user_id = :user_id order by id"
)
_JOBS: Final = text(
    "select id, kind, arguments, state, message, result, error, key, created_at, started_at, finished_at"
    " from jobs where requested_by = :user_id order by id"
)
_EXPORTS: Final = text(
    "select f.id, f.filename, f.path, f.size, f.mime_type, f.sha256, f.created_at, f.expires_at from files f"
    " where f.kind = 'export' and exists (select from jobs j where j.kind = 'export' and j.requested_by = :user_id"
    " and j.result ->> 'path' = f.path) order by f.id"
)
_ALERTS: Final = text(
    "select id, type, severity, message, timestamp, resolved_at, acknowledged_at, camera_id, zone_id, data"
    " from alerts where acknowledged_by = :user_id order by id"
)
_ACTIONS: Final = text(
    "select l.position, l.timestamp, l.table_name, l.action, l.record_id, l.user_id, host(o.ip_address) as ip_address,"
    " l.program, l.old, l.new from audit_logs l left join audit_origins o on o.digest = l.origin"
    " and o.user_id = :user_id"
    " where l.user_id = :user_id or l.table_name = 'users' and l.record_id = :user_id order by l.position"
)
_ORIGINS: Final = text("select host(ip_address) as ip_address from audit_origins where user_id = :user_id order by id")
