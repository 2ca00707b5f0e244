"""A day of minutes as one row: seven arrays, an element a minute. Pure.

Nothing names the minutes: an array's place says which one it is, and zeros stand where nothing was counted. A minute
whose sums are all zero is therefore the same as none. PostgreSQL compresses the arrays; counts that are all zero
(nobody appears at a line) are no array at all. ``unpack`` is the way back, the view ``packed_minutes`` the same in SQL.

What was undone (raw less effective) is kept instead of the effective counts: it is nearly always zero, and so costs
nearly nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SUMS: Final = ("count_in", "count_out", "undone_in", "undone_out", "appeared", "lost", "dwell_ms")
"""What is summed in a minute, all whole numbers. Dwell is kept to the millisecond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedDay:
    """One line's or zone's day.

    ``arrays`` has for every name of ``SUMS`` as many numbers as there are minutes from ``first_minute`` (0..1439) to
    the last one that counted something, or None where all are zero. ``minutes`` (1..1440) of them counted something.
    """

    first_minute: int
    minutes: int
    arrays: Mapping[str, list[int] | None]


def pack(minutes: NDArray[np.int64], sums: NDArray[np.int64]) -> PackedDay:
    """Pack a day.

    Args:
        minutes: int64 (N,), N >= 1: minutes of the UTC day, 0..1439, rising; those that counted something.
        sums: int64 (N, 7): what they counted, columns as in ``SUMS``; no row is all zero.
    """
    first = int(minutes[0])
    dense = np.zeros((int(minutes[-1]) - first + 1, len(SUMS)), np.int64)
    dense[minutes - first] = sums
    return PackedDay(
        first_minute=first,
        minutes=len(minutes),
        arrays={name: column.tolist() if column.any() else None for name, column in zip(SUMS, dense.T, strict=True)},
    )


def unpack(day: PackedDay) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The minutes that counted something and what they counted, as ``pack`` takes them."""
    length = max(len(values) for values in day.arrays.values() if values is not None)
    dense = np.zeros((length, len(SUMS)), np.int64)
    for place, name in enumerate(SUMS):
        values = day.arrays[name]
        if values is not None:
            dense[:, place] = values
    places = np.flatnonzero(dense.any(axis=1))
    return places + day.first_minute, dense[places]
