"""Consecutive buckets of one length."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from schema.errors import BadInput
from schema.times import to_datetime

Resolution = Literal["minute", "5min", "15min", "hour", "day", "week", "month"]

MAX_BUCKETS: Final = 100_000
_DAY_S: Final = 86400

SECONDS: Final[dict[Resolution, int]] = {
    "minute": 60,
    "5min": 300,
    "15min": 900,
    "hour": 3600,
    "day": _DAY_S,
    "week": 7 * _DAY_S,
    "month": 28 * _DAY_S,
}
"""Length of a bucket; of a month, that of the shortest."""

_MONDAY_S: Final = 4 * _DAY_S
"""1970 began on a Thursday."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """Buckets side by side. All are of UTC: days begin at midnight, weeks on Monday, months on the first.

    Attributes:
        resolution: how long a bucket is.
        edges_s: int64 (N + 1,), seconds since 1970 at which the N buckets begin, and at which the last one ends.
    """

    resolution: Resolution
    edges_s: NDArray[np.int64]

    @classmethod
    def covering(cls, resolution: Resolution, *, from_ns: int, to_ns: int) -> "Steps":
        """The buckets that touch ``from_ns`` <= time < ``to_ns``.

        Raises:
            BadInput: the time ends before it begins, or is too long for the resolution (more than MAX_BUCKETS).
        """
        if to_ns <= from_ns:
            raise BadInput("the time asked for ends before it begins: give 'from' before 'to'")
        if (to_ns - from_ns) // (SECONDS[resolution] * 10**9) > MAX_BUCKETS:
            raise BadInput(
                f"that is more than {MAX_BUCKETS} buckets of a {resolution}: ask for longer buckets or less time"
            )
        first_s, last_s = from_ns // 10**9, -(-to_ns // 10**9)
        if resolution == "month":
            first, last = (_month(second) for second in (first_s, last_s - 1))
            months = np.arange(first, last + 2, dtype=np.int64).astype("datetime64[M]")
            return cls(resolution=resolution, edges_s=months.astype("datetime64[s]").astype(np.int64))
        step, offset = SECONDS[resolution], _MONDAY_S if resolution == "week" else 0
        begin = (first_s - offset) // step * step + offset
        end = -(-(last_s - offset) // step) * step + offset
        return cls(resolution=resolution, edges_s=np.arange(begin, end + 1, step, dtype=np.int64))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.edges_s) - 1

    @property
    def ends_ns(self) -> tuple[int, int]:
        """Where the first one begins, and where the last one ends."""
        return int(self.edges_s[0]) * 10**9, int(self.edges_s[-1]) * 10**9

    @property
    def bounds(self) -> dict[str, object]:
        """Begin and end as the bind values ``from`` and ``to``, and the UTC days that have a part in it."""
        first, last = map(to_datetime, self.ends_ns)
        return {"from": first, "to": last, "first_day": first.date(), "last_day": last.date()}

    @property
    def days(self) -> "Steps":
        """The days of these buckets, each of which must have whole ones."""
        edges = np.arange(self.edges_s[0], self.edges_s[-1] + 1, _DAY_S, dtype=np.int64)
        return Steps(resolution="day", edges_s=edges)

    def place(self, at_s: NDArray[np.int64]) -> NDArray[np.intp]:
        """Which bucket each of these times is in; the times must be within."""
        return np.searchsorted(self.edges_s, at_s, side="right") - 1


def _month(second: int) -> int:
    """Months since January 1970."""
    return int(np.datetime64(second, "s").astype("datetime64[M]").astype(np.int64))
