"""The worker's own durable queue: what it has counted and nobody has stored yet.

One SQLite file a process, beside it a lock file that its owner keeps locked. A file whose lock is free belonged to a
process that died; whoever finds it takes it over. That may deliver something twice, which stores do not mind, and
never loses it.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from schema.errors import Permanent, Retryable
from schema.events import Delivery
from schema.wire import pack_delivery, unpack_delivery

DEFAULT_MAX_BYTES = 512 * 1024 * 1024
RESERVE = 0.1
"""Share of the space that is kept for crossings of live cameras."""

_SUFFIX = ".journal"
_log = structlog.get_logger(__name__)


class JournalFull(Retryable):
    """The disk space given to the journal is used up: nothing was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A delivery that waits, with its number in the journal."""

    id: int
    delivery: Delivery


class Journal:
    """A bounded queue on disk, in order. Safe to call from several threads.

    Overflow policy, ``recorded waits, live sheds``: what can be had again gives way to what cannot.

    - Deliveries of files raise ``JournalFull`` once only the reserve is left: their source waits, and loses nothing.
    - Deliveries of live cameras without crossings are shed then, and counted in ``shed``. Coverage grows from where it
      began, so the next one that fits says it all.
    - Crossings of live cameras use the reserve up, and then raise ``JournalFull`` too.
    """

    def __init__(self, folder: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Begin a file of its own in the folder.

        Args:
            folder: made where it is missing.
            max_bytes: of packed deliveries; SQLite adds about a tenth.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._mutex = threading.Lock()
        self._path = folder / f"{os.getpid()}-{uuid4().hex[:12]}{_SUFFIX}"
        self._lock = _try_lock(self._path)
        self._database = _open(self._path)
        self._waiting_bytes = 0
        self.shed = 0
        """Deliveries given up for lack of space."""

    @property
    def waiting_bytes(self) -> int:
        """How much is waiting, in bytes of packed deliveries."""
        return self._waiting_bytes

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """Write deliveries to disk, all or none; they survive a crash from the moment that this returns.

        Raises:
            JournalFull: there is no room; see the overflow policy. Trying again later is safe.
        """
        with self._mutex:
            room = self._max_bytes - self._waiting_bytes
            packed = [pack_delivery(delivery) for delivery in deliveries]
            if sum(map(len, packed)) > room - RESERVE * self._max_bytes:
                packed = self._squeeze(deliveries, packed, room)
            self._write(packed)

    def pending(self, limit: int) -> list[Entry]:
        """The oldest ``limit`` deliveries; they stay until they are acknowledged."""
        with self._mutex:
            rows = self._database.execute("select id, body from deliveries order by id limit ?", (limit,)).fetchall()
        return [Entry(id=number, delivery=unpack_delivery(body)) for number, body in rows]

    def acknowledge(self, ids: Sequence[int]) -> None:
        """Forget deliveries that are stored elsewhere, by the ids of their entries."""
        with self._mutex, self._database:
            for number in ids:
                row = self._database.execute(
                    "delete from deliveries where id = ? returning length(body)", (number,)
                ).fetchone()
                self._waiting_bytes -= row[0] if row else 0

    def adopt_orphans(self) -> int:
        """Take over what dead processes left in the folder; it comes after what is waiting already.

        Returns:
            How many deliveries were taken over.
        """
        return sum(self._adopt(path) for path in sorted(self._folder.glob(f"*{_SUFFIX}")) if path != self._path)

    def close(self) -> None:
        """Let go of the file. An empty one is deleted; one with deliveries is left for the next process."""
        with self._mutex:
            empty = self._waiting_bytes == 0
            self._database.close()
            if empty:
                _delete(self._path)
            os.close(self._lock)

    def _squeeze(self, deliveries: Sequence[Delivery], packed: Sequence[bytes], room: int) -> list[bytes]:
        if any(delivery.is_file for delivery in deliveries):
            raise JournalFull(
                f"the journal in {self._folder} is full of recorded crossings: the database must take them"
            )
        kept = [body for delivery, body in zip(deliveries, packed, strict=True) if delivery.crossings]
        if sum(map(len, kept)) > room:
            raise JournalFull(f"the journal in {self._folder} is full: the database must take crossings again")
        self.shed += len(packed) - len(kept)
        return kept

    def _write(self, packed: Sequence[bytes]) -> None:
        if not packed:
            return
        try:
            with self._database:
                self._database.executemany("insert into deliveries (body) values (?)", [(body,) for body in packed])
        except sqlite3.OperationalError as error:
            raise JournalFull(f"the journal in {self._folder} cannot be written: {error}") from error
        self._waiting_bytes += sum(map(len, packed))

    def _adopt(self, path: Path) -> int:
        with _taken_over(path) as taken:
            if not taken:
                return 0
            bodies, whole = _read(path)
            with self._mutex:
                self._write(bodies)
            if whole:
                _delete(path)
            else:
                # People may still read it; it is not looked at again.
                path.rename(path.with_suffix(".unreadable"))
                _log.error("Part of a dead process's journal cannot be read, set aside.", path=str(path))
        _log.info("Took over the journal of a dead process.", path=str(path), deliveries=len(bodies))
        return len(bodies)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    # Deleted pages go back to the file system at once: after an outage the file is small again.
    database.execute("pragma auto_vacuum = full")
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table if not exists deliveries (id integer primary key autoincrement, body blob not null)")
    database.commit()
    return database


def _try_lock(path: Path) -> int:
    """Lock the file beside ``path``; the lock goes with the process, however that ends.

    Raises:
        BlockingIOError: someone alive holds it.
    """
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _taken_over(path: Path) -> Generator[bool]:
    """Hold the lock of the journal at ``path``; False if its owner lives, or another has just taken it over."""
    try:
        descriptor = _try_lock(path)
    except BlockingIOError:
        yield False
        return
    try:
        yield path.exists()
    finally:
        os.close(descriptor)


def _read(path: Path) -> tuple[list[bytes], bool]:
    """The deliveries in a journal that can be read, and whether these are all of them."""
    try:
        with closing(sqlite3.connect(path)) as database:
            bodies = [body for (body,) in database.execute("select body from deliveries order by id")]
    except sqlite3.OperationalError:
        # Its owner died before it had a table.
        return [], True
    except sqlite3.DatabaseError:
        return [], False
    readable = [body for body in bodies if _is_delivery(body)]
    return readable, len(readable) == len(bodies)


def _is_delivery(body: bytes) -> bool:
    try:
        unpack_delivery(body)
    except Permanent:
        return False
    return True


def _delete(path: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.with_suffix(".lock").unlink(missing_ok=True)
