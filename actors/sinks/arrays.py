"""Columns of numbers and moments as PostgreSQL's binary arrays, made by numpy: a tenth of the time of making texts.

The format is PostgreSQL's ``array_send``: dimensions, "has nulls", type of the elements, length, lower bound, and then
every element behind its length.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

YEAR_2000_US: Final = 946_684_800_000_000


@dataclass(frozen=True, slots=True)
class _Column:
    values: NDArray[np.generic]


class Numbers(_Column):
    """``bigint[]``; values int64, shape (N,)."""


class Floats(_Column):
    """``double precision[]``; values float64, shape (N,)."""


class Moments(_Column):
    """``timestamptz[]``; values int64 microseconds since 2000 UTC, shape (N,)."""


class Ids(_Column):
    """``uuid[]``; values of 16 bytes, shape (N,)."""


def ids(values: Iterable[UUID]) -> Ids:
    """Ids."""
    return Ids(np.frombuffer(b"".join(value.bytes for value in values), "V16"))


def numbers(values: Sequence[int]) -> Numbers:
    """Whole numbers."""
    return Numbers(np.array(values, np.int64))


def floats(values: Sequence[float]) -> Floats:
    """Floating-point numbers."""
    return Floats(np.array(values, np.float64))


def moments(ns: Sequence[int]) -> Moments:
    """Nanoseconds since 1970 UTC, rounded down to microseconds, which is what PostgreSQL keeps."""
    return Moments(microseconds(ns))


def microseconds(ns: Sequence[int]) -> NDArray[np.int64]:
    """Nanoseconds since 1970 UTC as microseconds since 2000 UTC, rounded down; int64, shape (N,)."""
    try:
        whole_us = np.array(ns, np.int64) // 1000
    except OverflowError:  # before 1677 or after 2262: a camera whose clock is wrong
        whole_us = np.array([value // 1000 for value in ns], np.int64)
    return whole_us - YEAR_2000_US


class _ColumnDumper(Dumper):
    format = Format.BINARY
    element_oid: int
    element: str
    """A value's type in the array, as numpy calls it."""

    def dump(self, obj: _Column) -> Buffer:
        count = len(obj.values)
        records = np.empty(count, [("bytes", ">i4"), ("value", self.element)])
        records["bytes"] = records.dtype["value"].itemsize
        records["value"] = obj.values
        return struct.pack(">iiIii", 1, 0, self.element_oid, count, 1) + records.tobytes()


class _NumbersDumper(_ColumnDumper):
    oid, element_oid, element = 1016, 20, ">i8"


class _FloatsDumper(_ColumnDumper):
    oid, element_oid, element = 1022, 701, ">f8"


class _MomentsDumper(_ColumnDumper):
    oid, element_oid, element = 1185, 1184, ">i8"


class _IdsDumper(_ColumnDumper):
    oid, element_oid, element = 2951, 2950, "V16"


psycopg.adapters.register_dumper(Ids, _IdsDumper)
psycopg.adapters.register_dumper(Numbers, _NumbersDumper)
psycopg.adapters.register_dumper(Floats, _FloatsDumper)
psycopg.adapters.register_dumper(Moments, _MomentsDumper)
