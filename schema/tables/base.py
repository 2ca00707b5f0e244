"""What every table shares: constraint names, identity keys, UTC timestamps."""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column


class Base(DeclarativeBase):
    """Base of all tables. Constraints are named by rule, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[list[float]]: JSONB(),
    }


Id = Annotated[int, mapped_column(BigInteger, Identity(always=True))]
"""A number that PostgreSQL gives."""

Number = Annotated[int, mapped_column(BigInteger)]

Sum = Annotated[int, mapped_column(BigInteger, server_default=text("0"))]
"""A count that starts at nothing."""

CreatedAt = Annotated[datetime, mapped_column(server_default=text("now()"))]

TenantId = Annotated[
    int,
    mapped_column(
        BigInteger,
        server_default=text("coalesce((nullif(current_setting('app.tenant', true), ''))::bigint, 1)"),
        sort_order=1000,
    ),
]
"""Whose row it is. Row security lets a transaction see and write only those of the tenant that it names."""
