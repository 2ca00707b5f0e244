"""The audit trail: who changed what, when and from where; chained by hashes, so that nothing can be altered unseen."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, Id, Number

ACTIONS = ("insert", "update", "delete", "read", "erase")


class AuditLogRow(Base):
    """One change of one row of configuration or identity, or one look at something secret. Partitioned by month.

    Triggers of the audited tables write it; nobody may change or remove it. ``position`` counts the entries of a
    tenant's chain from 1; without a tenant it is the system's own. ``old`` and ``new`` hold the fields that changed.

    It holds no personal data, so that somebody can be erased and the chain still holds: ``user_id`` is a number, the
    values of personal and secret columns are replaced by ``{"changed": true}``, and ``origin`` is a salted digest of
    the address, which ``audit_origins`` can name until the person is erased.
    """

    __tablename__ = "audit_logs"
    __table_args__ = (
        CheckConstraint(f"action in ({', '.join(repr(action) for action in ACTIONS)})", name="action"),
        CheckConstraint("position >= 1", name="position"),
        Index("ix_audit_logs_tenant_id_position", "tenant_id", "position"),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )

    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True)
    tenant_id: Mapped[Number | None] = mapped_column(ForeignKey("tenants.id"))
    position: Mapped[Number]
    table_name: Mapped[str]
    action: Mapped[str]
    record_id: Mapped[Number | None]
    user_id: Mapped[Number | None]
    origin: Mapped[bytes | None]
    program: Mapped[str]
    login: Mapped[str]
    old: Mapped[dict[str, Any] | None]
    new: Mapped[dict[str, Any] | None]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]


class AuditChainRow(Base):
    """Where a tenant's chain ends, and where it begins since its oldest part was archived.

    Locked from a transaction's first entry to its end, which puts entries in one order. It also tells when the newest
    entries are missing.
    """

    __tablename__ = "audit_chains"
    __table_args__ = (
        UniqueConstraint("tenant_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("first_position between 1 and position + 1", name="position"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    tenant_id: Mapped[Number | None] = mapped_column(ForeignKey("tenants.id"))
    position: Mapped[Number] = mapped_column(server_default=text("0"))
    hash: Mapped[bytes] = mapped_column(server_default=text("'\\x'"))
    last_at: Mapped[datetime | None]
    first_position: Mapped[Number] = mapped_column(server_default=text("1"))
    first_previous: Mapped[bytes] = mapped_column(server_default=text("'\\x'"))


class AuditOriginRow(Base):
    """An address from which somebody acted. Erasing the person removes it, and with its salt the way back to it."""

    __tablename__ = "audit_origins"
    __table_args__ = (
        UniqueConstraint("tenant_id", "ip_address", "user_id", postgresql_nulls_not_distinct=True),
        UniqueConstraint("digest"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    tenant_id: Mapped[Number | None] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[Number | None]
    ip_address: Mapped[str] = mapped_column(INET)
    salt: Mapped[bytes]
    digest: Mapped[bytes]
