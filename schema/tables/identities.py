"""People, and the sessions that they have open."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id, Number, TenantId
from schema.users import ROLES, Role


class UserRow(Base):
    """Somebody who may sign in. One who was erased keeps the row, because history refers to it, and nothing personal.

    The e-mail address is sealed; ``email_index`` is what it is searched by (see ``schema.crypto.USER_EMAIL``).
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("tenant_id", "username"),
        UniqueConstraint("tenant_id", "id"),
        CheckConstraint("length(username) between 1 and 128", name="username"),
        CheckConstraint("(email_sealed is null) = (email_index is null)", name="email"),
        CheckConstraint(
            "erased_at is null or (not is_active and email_sealed is null and password_hash is null)", name="erased"
        ),
        Index(
            "uq_users_email", "tenant_id", "email_index", unique=True, postgresql_where=text("email_index is not null")
        ),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    username: Mapped[str]
    email_sealed: Mapped[bytes | None]
    email_index: Mapped[bytes | None]
    role: Mapped[Role] = mapped_column(Enum(*ROLES, name="user_role"), server_default="viewer")
    password_hash: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    last_login_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId] = mapped_column(ForeignKey("tenants.id"))


class UserSessionRow(Base):
    """One sign-in. Of its token only a digest is stored."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("length(token_hash) = 32", name="token_hash"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
        Index("ix_user_sessions_user_id", "user_id"),
        Index("ix_user_sessions_expires_at", "expires_at"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Number]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId]
