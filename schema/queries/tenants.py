"""Tenants."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from schema.tables import TenantRow


def ids(session: Session) -> list[int]:
    """All that the session may see: for the system every tenant, for a tenant itself."""
    return list(session.scalars(select(TenantRow.id).order_by(TenantRow.id)))
