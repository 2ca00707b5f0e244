"""PostgreSQL: engines, transactions of a tenant, and bringing a database to this program's version.

Nothing here prints an address's user or password: a server is named by host and port.
"""

from schema.database.engine import open_engine, unavailable_as_retryable
from schema.database.migrating import (
    MigrationStatus,
    migrate,
    migration_config,
    migration_sql,
    migration_status,
    validate,
)
from schema.database.scoped import Acting, across_tenants, auditing, owner_transaction, scope, transaction

__all__ = [
    "Acting",
    "MigrationStatus",
    "across_tenants",
    "auditing",
    "migrate",
    "migration_config",
    "migration_sql",
    "migration_status",
    "open_engine",
    "owner_transaction",
    "scope",
    "transaction",
    "unavailable_as_retryable",
    "validate",
]
