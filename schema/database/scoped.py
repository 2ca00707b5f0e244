"""Transactions that act for somebody: for a tenant, for all tenants, or as the owner.

Role and tenant are set for the transaction alone. A pooled connection keeps neither.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from schema.database.engine import unavailable_as_retryable
from schema.database.roles import APP, AUDITOR, MIGRATOR, SYSTEM


@dataclass(frozen=True, kw_only=True, slots=True)
class Acting:
    """Who acts and from where, for the audit trail; nobody in particular is the program itself."""

    user_id: int | None = None
    ip_address: str | None = None


PROGRAM: Final = Acting()

_SCOPE = text(
    "select set_config('role', :role, true), set_config('app.tenant', :tenant, true),"
    " set_config('app.user_id', :user_id, true), set_config('app.client_ip', :client_ip, true)"
)


def scope(connection: Connection, tenant_id: int, acting: Acting = PROGRAM) -> None:
    """Let a connection act for one tenant until its transaction ends."""
    _scope(connection, APP, str(tenant_id), acting)


def transaction(
    engine: Engine, tenant_id: int, *, acting: Acting = PROGRAM, one_snapshot: bool = False
) -> AbstractContextManager[Session]:
    """A session in one transaction of one tenant: committed at the end, rolled back on an error.

    Rows of other tenants are not there: they cannot be read, written or referred to. With ``one_snapshot`` all its
    statements see the same state (repeatable read), otherwise each sees what has been committed until then.

    Raises:
        StoreUnavailable: PostgreSQL did not answer or gave up for now; nothing was stored.
    """
    return _session(engine, APP, str(tenant_id), acting=acting, one_snapshot=one_snapshot)


def across_tenants(engine: Engine) -> AbstractContextManager[Session]:
    """A session of the system itself, which sees all tenants in the tables that it needs, and no others.

    Raises:
        StoreUnavailable: PostgreSQL did not answer or gave up for now; nothing was stored.
    """
    return _session(engine, SYSTEM, "")


def auditing(engine: Engine, tenant_id: int | None) -> AbstractContextManager[Session]:
    """A session of the auditor, who reads one tenant's audit trail and nothing else; None: the system's own trail.

    Raises:
        StoreUnavailable: PostgreSQL did not answer or gave up for now.
    """
    return _session(engine, AUDITOR, "" if tenant_id is None else str(tenant_id))


def owner_transaction(engine: Engine) -> AbstractContextManager[Session]:
    """A session of the tables' owner, to change what is not a row: partitions, tenants.

    Raises:
        StoreUnavailable: PostgreSQL did not answer or gave up for now; nothing was stored.
    """
    return _session(engine, MIGRATOR, "")


@contextmanager
def _session(
    engine: Engine, role: str, tenant: str, *, acting: Acting = PROGRAM, one_snapshot: bool = False
) -> Generator[Session]:
    isolation = {"isolation_level": "REPEATABLE READ"} if one_snapshot else {}
    with unavailable_as_retryable(engine), Session(engine) as session, session.begin():
        _scope(session.connection(execution_options=isolation), role, tenant, acting)
        yield session


def _scope(connection: Connection, role: str, tenant: str, acting: Acting) -> None:
    connection.execute(
        _SCOPE,
        {
            "role": role,
            "tenant": tenant,
            "user_id": "" if acting.user_id is None else str(acting.user_id),
            "client_ip": acting.ip_address or "",
        },
    )
