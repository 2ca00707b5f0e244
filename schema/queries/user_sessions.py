"""Sessions of people who have signed in. A token is 32 random bytes as text; the store keeps its digest."""

import secrets
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from schema.crypto import token_digest
from schema.tables import UserRow, UserSessionRow
from schema.times import to_datetime, to_ns
from schema.users import UserSession

_TOKEN_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A session just opened; its token is known here and to its holder, and never again."""

    id: int
    token: str = field(repr=False)


def create(
    session: Session,
    user_id: int,
    *,
    now_ns: int,
    ttl_s: int,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> Opened:
    """Open a session for somebody of the transaction's tenant; it ends by itself after ``ttl_s`` seconds."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = UserSessionRow(
        user_id=user_id,
        token_hash=token_digest(token),
        created_at=to_datetime(now_ns),
        expires_at=to_datetime(now_ns + ttl_s * 10**9),
        last_seen_at=to_datetime(now_ns),
        ip_address=ip_address,
        user_agent=user_agent,
    )
    session.add(row)
    session.flush()
    return Opened(id=row.id, token=token)


def find(session: Session, token: str, *, now_ns: int) -> UserSession | None:
    """The session of this token, if it is in force and its holder may still sign in.

    Args:
        session: of the system (``across_tenants``), because the token is what tells the tenant.
        token: as it was given to the holder.
        now_ns: the time.
    """
    row = session.execute(
        select(
            UserSessionRow.id,
            UserSessionRow.tenant_id,
            UserSessionRow.user_id,
            UserRow.username,
            UserRow.role,
            UserSessionRow.expires_at,
        )
        .join(UserRow, UserRow.id == UserSessionRow.user_id)
        .where(
            UserSessionRow.token_hash == token_digest(token),
            UserSessionRow.revoked_at.is_(None),
            UserSessionRow.expires_at > to_datetime(now_ns),
            UserRow.is_active,
        )
    ).one_or_none()
    if row is None:
        return None
    return UserSession(
        id=row.id,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        username=row.username,
        role=row.role,
        expires_ns=to_ns(row.expires_at),
    )


def revoke(session: Session, session_id: int, *, now_ns: int) -> bool:
    """End one session of the transaction's tenant; False where it had ended before or never was."""
    return bool(_revoke(session, UserSessionRow.id == session_id, now_ns))


def revoke_all(session: Session, user_id: int, *, now_ns: int) -> int:
    """End all sessions of somebody of the transaction's tenant; gives how many were open."""
    return _revoke(session, UserSessionRow.user_id == user_id, now_ns)


def forget_expired(session: Session, *, before_ns: int) -> int:
    """Delete sessions that expired before some moment, of all tenants when the system asks; gives how many."""
    expired = delete(UserSessionRow).where(UserSessionRow.expires_at < to_datetime(before_ns))
    return len(session.scalars(expired.returning(UserSessionRow.id)).all())


def _revoke(session: Session, which: ColumnElement[bool], now_ns: int) -> int:
    open_ones = update(UserSessionRow).where(which, UserSessionRow.revoked_at.is_(None))
    revoked = open_ones.values(revoked_at=to_datetime(now_ns)).returning(UserSessionRow.id)
    return len(session.scalars(revoked).all())
