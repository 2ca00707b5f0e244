"""Tenants. The system may read all of them; only the owner of the tables makes or changes them."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from schema.errors import AlreadyExists, BadInput, NotFound
from schema.tables import TenantRow
from schema.tenants import Tenant


def ids(session: Session) -> list[int]:
    """All that the session may see: for the system every tenant, for a tenant itself."""
    return list(session.scalars(select(TenantRow.id).order_by(TenantRow.id)))


def listing(session: Session) -> list[Tenant]:
    """All that the session may see, by name."""
    return [_tenant(row) for row in session.scalars(select(TenantRow).order_by(TenantRow.name))]


def by_name(session: Session, name: str) -> Tenant:
    """One tenant.

    Raises:
        NotFound: there is none of this name; says which there are.
    """
    return _tenant(_row(session, name))


def add(session: Session, tenant: Tenant) -> Tenant:
    """Store a new tenant, in a transaction of the owner; gives it with its id.

    Raises:
        BadInput: its name or its days are unusable.
        AlreadyExists: the name is taken.
    """
    _check(tenant)
    row = TenantRow()
    _fill(row, tenant)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise AlreadyExists(f"there is a tenant '{tenant.name}' already: choose another name, or use set") from error
    return _tenant(row)


def change(session: Session, tenant: Tenant) -> None:
    """Let the tenant of this name keep things for as long as this says, in a transaction of the owner.

    Raises:
        BadInput: the days are unusable.
        NotFound: there is no such tenant; says which there are.
    """
    _check(tenant)
    _fill(_row(session, tenant.name), tenant)
    session.flush()


def _row(session: Session, name: str) -> TenantRow:
    row = session.scalar(select(TenantRow).where(TenantRow.name == name))
    if row is None:
        known = ", ".join(f"'{tenant.name}'" for tenant in listing(session))
        raise NotFound(f"there is no tenant '{name}': there are {known}; 'turnstile tenants add' makes one")
    return row


def _check(tenant: Tenant) -> None:
    if not tenant.name or len(tenant.name) > 64 or any(not (c.isalnum() or c in "-_") for c in tenant.name):
        raise BadInput(f"tenant name '{tenant.name}' is not usable: take 1 to 64 letters, digits, '-' or '_'")
    if not 1 <= tenant.hot_days <= tenant.warm_days <= tenant.cold_days < 2**31:
        raise BadInput(
            f"tenant '{tenant.name}' would keep counts hot for {tenant.hot_days} days, warm until {tenant.warm_days},"
            f" cold until {tenant.cold_days}: give at least 1 day, and each of them no less than the one before"
        )
    if not 1 <= tenant.evidence_days < 2**31:
        raise BadInput(f"tenant '{tenant.name}' would keep pictures for {tenant.evidence_days} days: give 1 or more")


def _fill(row: TenantRow, tenant: Tenant) -> None:
    row.name = tenant.name
    row.hot_days, row.warm_days, row.cold_days = tenant.hot_days, tenant.warm_days, tenant.cold_days
    row.evidence_days = tenant.evidence_days


def _tenant(row: TenantRow) -> Tenant:
    return Tenant(
        id=row.id,
        name=row.name,
        hot_days=row.hot_days,
        warm_days=row.warm_days,
        cold_days=row.cold_days,
        evidence_days=row.evidence_days,
    )
