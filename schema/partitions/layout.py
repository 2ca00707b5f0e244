"""Which tables are divided by time, and how. This is the one place that says so.

Every one of them has a DEFAULT partition too, so a row of any date finds a place: a recording without a known date, a
camera whose clock is wrong, a day whose partition could not be made in time. The first two stay there, because
partitions are made for the years 2000..2099 only; the last is moved out by ``schema.partitions.manager``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from schema.times import to_datetime

Partitioned = Literal[
    "counting_results",
    "crossings",
    "camera_events",
    "model_logs",
    "audit_logs",
    "analytics_hour",
    "analytics_day",
]
Period = Literal["day", "month", "year"]

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One table: a partition a ``period``, and ``ahead`` of them made before their time comes."""

    table: Partitioned
    period: Period
    ahead: int


LAYOUTS: Final = (
    # Each day is divided once more, by a hash of the camera in four.
    Layout(table="counting_results", period="day", ahead=7),
    Layout(table="crossings", period="month", ahead=2),
    Layout(table="camera_events", period="month", ahead=2),
    Layout(table="model_logs", period="month", ahead=2),
    Layout(table="audit_logs", period="month", ahead=2),
    # ``analytics`` is divided by a list of its periods first; its months are few enough for one partition.
    Layout(table="analytics_hour", period="year", ahead=1),
    Layout(table="analytics_day", period="year", ahead=1),
)

_PERIODS: Final[dict[str, Period]] = {layout.table: layout.period for layout in LAYOUTS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A time from ``first`` until just before ``last``."""

    first: datetime
    last: datetime

    @property
    def has_partition(self) -> bool:
        """Whether partitions are made for this time at all."""
        return FIRST_YEAR <= self.first.year <= LAST_YEAR

    def overlaps(self, other: "Span") -> bool:
        """Whether the two have an instant in common."""
        return self.first < other.last and other.first < self.last


def period_of(table: Partitioned, moment_ns: int) -> datetime:
    """The first instant of the day, month or year, UTC, that the table's partition of this moment begins with."""
    midnight = to_datetime(moment_ns).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match _PERIODS[table]:
        case "day":
            return midnight
        case "month":
            return midnight.replace(day=1)
        case "year":
            return midnight.replace(month=1, day=1)


def span_from(table: Partitioned, first: datetime) -> Span:
    """The whole period that begins with ``first``, as ``period_of`` gives it."""
    match _PERIODS[table]:
        case "day":
            last = first + timedelta(days=1)
        case "month":
            last = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        case "year":
            last = first.replace(year=first.year + 1)
    return Span(first=first, last=last)
