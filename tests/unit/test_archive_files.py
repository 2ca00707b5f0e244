"""Archive files: written, merged, checked and read without a database."""

from datetime import UTC, datetime, timedelta
from io import BytesIO, RawIOBase
from pathlib import Path
from random import Random
from unittest.mock import Mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.errors import Permanent
from schema.settings import StorageSettings
from schema.storage import FsspecStore, open_storage
from schema.tiers import parquet
from schema.tiers.checksum import Fingerprint, by_zone, of_table, total
from schema.tiers.kinds import COUNTS, CROSSINGS
from schema.tiers.merging import merged

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)

KEYS = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 50))
ROWS = st.dictionaries(KEYS, st.lists(st.integers(-(2**40), 2**40), min_size=7, max_size=7).filter(any), max_size=30)


def counts(rows: dict[tuple[int, int, int], list[int]]) -> pa.Table:
    """Counts by camera, zone and minute."""
    records = [
        (camera, camera * 10 + zone, BEGIN + timedelta(minutes=minute), *sums)
        for (camera, zone, minute), sums in sorted(rows.items())
    ]
    columns = zip(*records, strict=True) if records else [[] for _ in COUNTS.schema]
    return pa.table([pa.array(list(column)) for column in columns], names=COUNTS.schema.names).cast(COUNTS.schema)


def some(cameras: range, minutes: range, value: int = 1) -> pa.Table:
    return counts({(camera, 1, minute): [value, 0, 0, 0, 0, 0, 0] for camera in cameras for minute in minutes})


@pytest.fixture
def files(tmp_path: Path) -> FsspecStore:
    return open_storage(StorageSettings(url=tmp_path.as_uri()))


def stored(files: FsspecStore, *tables: pa.Table) -> parquet.Contents:
    file = BytesIO()
    contents = parquet.write(file, COUNTS, tables)
    files.write("a.parquet", file.getvalue())
    return contents


def read(files: FsspecStore, contents: parquet.Contents, **choice) -> pa.Table:
    tables = parquet.read(files, "a.parquet", COUNTS, contents.groups, **choice)
    return pa.concat_tables([COUNTS.schema.empty_table(), *tables])


@settings(max_examples=25)
@given(rows=ROWS)
def test_rows_come_back_from_a_file_as_they_went_in(rows, tmp_path_factory):
    files = open_storage(StorageSettings(url=tmp_path_factory.mktemp("files").as_uri()))
    given = counts(rows)
    contents = stored(files, given)
    assert read(files, contents).equals(given)
    assert contents.fingerprint == of_table(COUNTS, given)


@settings(max_examples=25)
@given(first=ROWS, second=ROWS)
def test_merging_adds_minutes_up_and_forgets_none(first, second):
    expected = {key: sums for key, sums in first.items()}
    for key, sums in second.items():
        expected[key] = [a + b for a, b in zip(sums, expected.get(key, [0] * 7), strict=True)]
    assert merged(COUNTS, [counts(first), counts(second)]).equals(
        counts({key: sums for key, sums in expected.items() if any(sums)})
    )


@settings(max_examples=25)
@given(rows=ROWS, cut=st.integers(0, 30))
def test_the_checksum_knows_no_order_and_no_division(rows, cut):
    table = counts(rows)
    whole = of_table(COUNTS, table)
    backwards = table.sort_by([(name, "descending") for name in COUNTS.order])
    assert of_table(COUNTS, backwards) == whole
    assert of_table(COUNTS, table.slice(0, cut)) + of_table(COUNTS, table.slice(cut)) == whole
    assert total(by_zone(COUNTS, table).values()) == whole


@settings(max_examples=25)
@given(rows=ROWS.filter(bool), add=st.integers(1, 1000), column=st.integers(0, 6))
def test_the_checksum_shows_a_number_that_changed(rows, add, column):
    key = next(iter(rows))
    changed = {**rows, key: [value + add * (place == column) for place, value in enumerate(rows[key])]}
    assert of_table(COUNTS, counts(changed)).checksum != of_table(COUNTS, counts(rows)).checksum


def test_the_same_crossing_from_two_places_is_one():
    row = {name: None for name in CROSSINGS.schema.names}
    row |= {"camera_id": 1, "occurred_at": BEGIN, "event_id": "a", "epoch": "", "model": ""}
    table = pa.Table.from_pylist([row], CROSSINGS.schema)
    assert merged(CROSSINGS, [table, table]).equals(table)


def test_reading_one_camera_touches_little_of_the_file(files: FsspecStore, monkeypatch: pytest.MonkeyPatch):
    random = Random(3)
    month = {(camera, 1, minute): [random.getrandbits(30)] * 7 for camera in range(1, 9) for minute in range(9000)}
    monkeypatch.setattr(parquet, "ROWS_A_GROUP", 9000)
    tables = [table for _, table in parquet.by_camera([counts(month)])]
    contents = stored(files, *tables)
    touched = 0

    def opened(path: str, *, opened=files.open):
        return Touching(opened(path))

    class Touching(RawIOBase):
        def __init__(self, file):
            self._file = file

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            nonlocal touched
            piece = self._file.read(size)
            touched += len(piece)
            return piece

        def seek(self, *place: int) -> int:
            return self._file.seek(*place)

        def tell(self) -> int:
            return self._file.tell()

        def close(self) -> None:
            self._file.close()

    found = list(parquet.read(Mock(open=opened), "a.parquet", COUNTS, contents.groups, camera_ids=[5]))
    assert pa.concat_tables(found).equals(tables[4])
    assert touched < files.info("a.parquet").size / 4


def test_a_time_may_be_asked_for(files: FsspecStore):
    contents = stored(files, some(range(1, 4), range(100)))
    chosen = read(
        files, contents, from_at=BEGIN + timedelta(minutes=10), to_at=BEGIN + timedelta(minutes=12), camera_ids=[2]
    )
    assert chosen.equals(some(range(2, 3), range(10, 12)))


def test_the_contents_say_from_when_to_when(files: FsspecStore):
    contents = stored(files, some(range(1, 2), range(5, 9)), some(range(2, 3), range(2)))
    assert (contents.from_at, contents.to_at) == (BEGIN, BEGIN + timedelta(minutes=8))
    assert contents.fingerprint.rows == 6


def test_a_file_without_rows_is_a_file(files: FsspecStore):
    contents = stored(files)
    assert contents == parquet.Contents()
    assert read(files, contents).equals(COUNTS.schema.empty_table())


def test_a_damaged_file_is_named_and_never_believed(files: FsspecStore, tmp_path: Path):
    given = some(range(1, 4), range(5000))
    contents = stored(files, given)
    path = tmp_path / "a.parquet"
    whole = path.read_bytes()
    noticed = 0
    for place in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            assert read(files, contents).equals(given)  # what was hit does not matter to the rows
        except Permanent as error:
            assert str(error).startswith("archive file 'a.parquet' is damaged (")  # noqa: PT017
            noticed += 1
    assert noticed > 20


def test_a_file_cut_short_is_named(files: FsspecStore, tmp_path: Path):
    contents = stored(files, some(range(1, 4), range(5000)))
    path = tmp_path / "a.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Permanent, match=r"archive file 'a.parquet' is damaged .*: restore it from a backup"):
        read(files, contents)


def test_another_file_in_its_place_is_noticed(files: FsspecStore):
    contents = stored(files, some(range(1, 4), range(50)))
    stored(files, some(range(1, 4), range(50), value=2))
    with pytest.raises(Permanent, match=r"the rows of row group 0 have another checksum"):
        read(files, contents)


def test_a_file_that_is_gone_is_named(files: FsspecStore):
    with pytest.raises(Permanent, match=r"archive file 'a.parquet' is gone: restore it"):
        read(files, parquet.Contents())


def test_nothing_has_the_checksum_of_nothing():
    assert of_table(COUNTS, COUNTS.schema.empty_table()) == Fingerprint()
