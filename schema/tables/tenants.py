"""Tenants, and how long they keep what."""

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id


class TenantRow(Base):
    """Whose cameras, people and counts they are. Ages are in days; what is older moves to the next tier or goes."""

    __tablename__ = "tenants"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint(
            "hot_days >= 1 and warm_days >= hot_days and cold_days >= warm_days and evidence_days >= 1",
            name="retention",
        ),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str]
    hot_days: Mapped[int] = mapped_column(server_default=text("30"))
    warm_days: Mapped[int] = mapped_column(server_default=text("365"))
    cold_days: Mapped[int] = mapped_column(server_default=text("1825"))
    evidence_days: Mapped[int] = mapped_column(server_default=text("14"))
    created_at: Mapped[CreatedAt]
