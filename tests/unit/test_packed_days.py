"""Packing a day of minutes, and writing rows to an archive file and reading them back: what goes in comes out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schema.tiers.packed import SUMS, PackedDay, pack, unpack

NUMBERS = st.integers(-(2**63), 2**63 - 1)
COUNTED = st.lists(NUMBERS, min_size=len(SUMS), max_size=len(SUMS)).filter(any)
DAYS = st.dictionaries(st.integers(0, 1439), COUNTED, min_size=1, max_size=40)


def arrays(day: dict[int, list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    minutes = sorted(day)
    return np.array(minutes, np.int64), np.array([day[minute] for minute in minutes], np.int64)


def unpacked(packed: PackedDay) -> dict[int, list[int]]:
    minutes, sums = unpack(packed)
    return dict(zip(minutes.tolist(), sums.tolist(), strict=True))


@given(DAYS)
def test_whatever_was_counted_comes_back(day: dict[int, list[int]]):
    packed = pack(*arrays(day))
    assert unpacked(packed) == day
    assert packed.minutes == len(day)


def test_only_the_time_from_the_first_to_the_last_minute_is_kept():
    packed = pack(*arrays({600: [1, 0, 0, 0, 0, 0, 0], 602: [2, 1, 0, 0, 0, 0, 0]}))
    assert packed == PackedDay(
        first_minute=600,
        minutes=2,
        arrays={**dict.fromkeys(SUMS), "count_in": [1, 0, 2], "count_out": [0, 0, 1]},
    )


def test_a_minute_that_only_took_back_what_came_later_is_kept():
    packed = pack(*arrays({1439: [0, 0, 1, 0, 0, 0, 0]}))
    assert unpacked(packed) == {1439: [0, 0, 1, 0, 0, 0, 0]}
