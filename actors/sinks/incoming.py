"""Crossings on their way into PostgreSQL: one binary COPY into a temporary table, built column by column.

The format is that of PostgreSQL's documentation, "COPY, Binary Format": every value is preceded by its length. All
values here have a fixed length but the texts, so rows whose texts are equally long are one array of records. What may
be absent is sent as a value that cannot occur (a zero, a NaN) and read back as null.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor
from sqlalchemy import Connection, text

from actors.sinks.arrays import YEAR_2000_US, microseconds
from schema.errors import Permanent
from schema.events import Crossing

CREATE: Final = text(
    "create temporary table if not exists incoming_crossings ("
    " event_id uuid, undoes uuid, occurred_at timestamptz, confirmed_at timestamptz, undoes_at timestamptz,"
    " camera_id bigint, zone_id bigint, track_id bigint, frame bigint, dwell_s double precision,"
    " ordinal integer, confidence real, x real, y real, kind smallint, direction smallint, cause smallint,"
    " epoch text, model text) on commit delete rows"
)
SELECTED: Final = (
    "select occurred_at, event_id, camera_id, epoch, zone_id, track_id,"
    " (array['line', 'zone'])[kind], (array['in', 'out'])[direction], (array['crossed', 'appeared', 'lost'])[cause],"
    " ordinal, frame, confirmed_at, confidence, x, y, nullif(undoes, '00000000-0000-0000-0000-000000000000'),"
    " nullif(undoes_at, timestamptz '2000-01-01 UTC'), nullif(dwell_s, 'NaN'), model from incoming_crossings"
)
"""The temporary table's rows as columns of ``crossings``, in the order of ``COLUMNS``."""
COLUMNS: Final = (
    "occurred_at, event_id, camera_id, epoch, zone_id, track_id, kind, direction, cause, ordinal, frame, confirmed_at,"
    " confidence, x, y, undoes, undoes_at, dwell_s, model"
)

_COPY: Final = "copy incoming_crossings from stdin (format binary)"
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_FIXED: Final = (
    ("event_id", "V16"),
    ("undoes", "V16"),
    ("occurred_at", ">i8"),
    ("confirmed_at", ">i8"),
    ("undoes_at", ">i8"),
    ("camera_id", ">i8"),
    ("zone_id", ">i8"),
    ("track_id", ">i8"),
    ("frame", ">i8"),
    ("dwell_s", ">f8"),
    ("ordinal", ">i4"),
    ("confidence", ">f4"),
    ("x", ">f4"),
    ("y", ">f4"),
    ("kind", ">i2"),
    ("direction", ">i2"),
    ("cause", ">i2"),
)
_KIND: Final = {"line": 1, "zone": 2}
_DIRECTION: Final = {"in": 1, "out": 2}
_CAUSE: Final = {"crossed": 1, "appeared": 2, "lost": 3}
_NOBODY: Final = bytes(16)


def copy_in(connection: Connection, crossings: Iterable[Crossing]) -> None:
    """Put crossings into the temporary table, which is empty again after the transaction.

    Raises:
        Permanent: a crossing holds what cannot be stored.
    """
    try:
        rows = packed(crossings)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise Permanent(f"a crossing holds what cannot be stored: {error}") from error
    connection.execute(CREATE)
    driver = connection.connection.driver_connection
    assert driver is not None, "the connection is open"  # noqa: S101
    cursor: Cursor = driver.cursor()
    with cursor, cursor.copy(_COPY) as copy:
        copy.write(rows)


def packed(crossings: Iterable[Crossing]) -> bytes:
    """Crossings as PostgreSQL reads them in a binary COPY.

    They come in one order whoever sends them (by the length of their texts, then by id), so that writers wait for each
    other's keys and never in a circle.
    """
    alike: dict[tuple[int, int], list[Crossing]] = defaultdict(list)
    for crossing in sorted(crossings, key=lambda crossing: crossing.event_id.int):
        alike[len(crossing.epoch.encode()), len(crossing.model.encode())].append(crossing)
    records = (_records(alike[lengths], lengths) for lengths in sorted(alike))
    return b"".join((_HEADER, *(record.tobytes() for record in records), _TRAILER))


def _records(crossings: Sequence[Crossing], lengths: tuple[int, int]) -> NDArray[np.void]:
    """Rows whose texts are equally long; one record a row, shape (N,)."""
    texts = [(name, f"S{length}") for name, length in zip(("epoch", "model"), lengths, strict=True) if length]
    empty = [name for name, length in zip(("epoch", "model"), lengths, strict=True) if not length]
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, kind in (*_FIXED, *texts):
        layout += ((f"{name} bytes", ">i4"), (name, kind))
    layout += [(f"{name} bytes", ">i4") for name in empty]
    records = np.zeros(len(crossings), np.dtype(layout))
    records["columns"] = len(_FIXED) + 2
    for name, _ in (*_FIXED, *texts):
        records[f"{name} bytes"] = records.dtype[name].itemsize
    for name, values in _columns(crossings).items():
        if name not in empty:
            records[name] = values
    return records


def _columns(crossings: Sequence[Crossing]) -> dict[str, Any]:
    ids = b"".join(crossing.event_id.bytes for crossing in crossings)
    undoes = b"".join(_NOBODY if crossing.undoes is None else crossing.undoes.bytes for crossing in crossings)
    return {
        "event_id": np.frombuffer(ids, "V16"),
        "undoes": np.frombuffer(undoes, "V16"),
        "occurred_at": microseconds([crossing.occurred_ns for crossing in crossings]),
        "confirmed_at": microseconds([crossing.confirmed_ns for crossing in crossings]),
        "undoes_at": microseconds([crossing.undoes_ns or YEAR_2000_US * 1000 for crossing in crossings]),
        "camera_id": [crossing.camera_id for crossing in crossings],
        "zone_id": [crossing.rule_id for crossing in crossings],
        "track_id": [crossing.track_id for crossing in crossings],
        "frame": [crossing.frame for crossing in crossings],
        "dwell_s": [np.nan if crossing.dwell_s is None else crossing.dwell_s for crossing in crossings],
        "ordinal": [crossing.ordinal for crossing in crossings],
        "confidence": [crossing.confidence for crossing in crossings],
        "x": [crossing.x for crossing in crossings],
        "y": [crossing.y for crossing in crossings],
        "kind": [_KIND[crossing.kind] for crossing in crossings],
        "direction": [_DIRECTION[crossing.direction] for crossing in crossings],
        "cause": [_CAUSE[crossing.cause] for crossing in crossings],
        "epoch": [crossing.epoch.encode() for crossing in crossings],
        "model": [crossing.model.encode() for crossing in crossings],
    }
