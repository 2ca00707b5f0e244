"""Counts summed up over longer times, to be read instead of the minutes."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, ENUM
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, Id, Number, Sum, TenantId

PERIOD = ENUM("hour", "day", "month", name="analytics_period")
_COUNTS = ARRAY(Integer)
_SECONDS = ARRAY(Double)


class AnalyticsRow(Base):
    """What one line or polygon counted in a day, in the hours of a day, or in a month; all times are UTC.

    The only table that says again what others say. Partitioned by list of period, then by time.

    ``day`` rows are changed in the transaction that stores a crossing: they are right at every moment. Each change
    makes ``revision`` one more and the row ``stale``: hours and month are to be computed again.

    ``hour`` rows hold 24 hours in arrays, ``timestamp`` is the day's; null stands for 24 zeros. Packed, an hour takes
    a fifth of what a row of its own would, and a year of one camera is a thousand rows. An hour row is right while its
    ``revision`` is the one of its day.

    ``month`` rows are the sums of their days, and right while none of these is stale.

    ``covered_s`` is how long the camera was watched, as the roll-up last saw it; null: it has not looked yet.
    """

    __tablename__ = "analytics"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "camera_id", "zone_id"], ["zones.tenant_id", "zones.camera_id", "zones.id"]),
        CheckConstraint("type in ('counts')", name="type"),
        CheckConstraint("count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0", name="counts"),
        CheckConstraint(
            "period = 'hour' or num_nonnulls(hourly_in, hourly_out, hourly_effective_in, hourly_effective_out,"
            " hourly_appeared, hourly_lost, hourly_dwell_s, hourly_covered_s) = 0",
            name="hours",
        ),
        UniqueConstraint("zone_id", "type", "period", "timestamp"),
        Index("ix_analytics_camera_id_period_timestamp", "camera_id", "period", "timestamp"),
        Index("ix_analytics_stale", "timestamp", postgresql_where=text("stale")),
        {"postgresql_partition_by": "LIST (period)"},
    )

    period: Mapped[str] = mapped_column(PERIOD, primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(server_default="counts")
    camera_id: Mapped[Number]
    zone_id: Mapped[Number]
    count_in: Mapped[Sum]
    count_out: Mapped[Sum]
    effective_in: Mapped[Sum]
    effective_out: Mapped[Sum]
    appeared: Mapped[Sum]
    lost: Mapped[Sum]
    dwell_s: Mapped[float] = mapped_column(Double, server_default=text("0"))
    covered_s: Mapped[float | None] = mapped_column(Double)
    revision: Mapped[Sum]
    stale: Mapped[bool] = mapped_column(server_default=text("true"))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    hourly_in: Mapped[list[int] | None] = mapped_column(_COUNTS)
    hourly_out: Mapped[list[int] | None] = mapped_column(_COUNTS)
    hourly_effective_in: Mapped[list[int] | None] = mapped_column(_COUNTS)
    hourly_effective_out: Mapped[list[int] | None] = mapped_column(_COUNTS)
    hourly_appeared: Mapped[list[int] | None] = mapped_column(_COUNTS)
    hourly_lost: Mapped[list[int] | None] = mapped_column(_COUNTS)
    hourly_dwell_s: Mapped[list[float] | None] = mapped_column(_SECONDS)
    hourly_covered_s: Mapped[list[float] | None] = mapped_column(_SECONDS)
    tenant_id: Mapped[TenantId]
