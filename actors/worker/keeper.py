"""Takes pictures of crossings to the file storage and their rows to PostgreSQL, behind the worker's back.

Overflow policy, ``drop the oldest``: pictures wait in memory while the storage or PostgreSQL is away, up to a bound,
and so does a picture whose crossing is not stored yet. What gave way, or waited too long for a crossing that never came
(it was refused), is counted. A worker that dies takes the waiting ones with it: a count is never without its crossing,
but a crossing may be without its picture.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Engine

from actors.backoff import Backoff
from schema.database import open_engine, transaction
from schema.errors import TurnstileError
from schema.evidence import Evidence
from schema.ports import FileStore
from schema.queries import evidence
from schema.settings import StorageSettings
from schema.storage import open_storage

log = structlog.get_logger(__name__)

WAITING = 1000
"""Pictures; one takes about 8 kB."""
PATIENCE_S = 300.0
"""For a crossing to be stored, while the storage and PostgreSQL answer."""
AT_ONCE = 32
_LOOK_AGAIN_S = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class KeeperStats:
    """Pictures since the start: stored, dropped for whatever reason; and how many wait now."""

    stored: int = 0
    dropped: int = 0
    waiting: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PicturesTo:
    """Where pictures go, as a value that can be sent to another process."""

    dsn: str = field(repr=False)
    storage: StorageSettings

    def open_keeper(self) -> "PictureKeeper":
        """A keeper; nothing is connected yet."""
        return PictureKeeper(open_storage(self.storage), open_engine(self.dsn, pool_size=1))


class PictureKeeper:
    """Stores pictures. ``take`` may be called from any thread and never waits; ``run`` has a thread of its own."""

    def __init__(self, store: FileStore, engine: Engine, *, waiting: int = WAITING) -> None:
        """Nothing is connected yet.

        Args:
            store: where the pictures go.
            engine: where their rows go.
            waiting: pictures kept while they cannot be stored; beyond that the oldest give way.
        """
        self._store = store
        self._engine = engine
        self._limit = waiting
        self._waiting: deque[tuple[float, Evidence]] = deque()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._backoff = Backoff()
        self._stored = self._dropped = self._in_hand = 0
        self._trouble = ""

    @property
    def stats(self) -> KeeperStats:
        """Counts so far."""
        return KeeperStats(stored=self._stored, dropped=self._dropped, waiting=len(self._waiting) + self._in_hand)

    def take(self, picture: Evidence) -> None:
        """Store a picture soon."""
        with self._lock:
            self._waiting.append((time.monotonic(), picture))
            self._make_room()
        self._news.set()

    def run(self) -> None:
        """Store pictures until ``stop``."""
        while not self._stopped.is_set():
            self._news.wait(None if not self._waiting else _LOOK_AGAIN_S)
            self._news.clear()
            if not self._stopped.is_set():
                self._store_some()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing waits; False if something still does."""
        deadline = time.monotonic() + timeout_s
        while self.stats.waiting and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S / 5)
        return not self.stats.waiting

    def stop(self) -> None:
        """End ``run``; what waits is lost."""
        self._stopped.set()
        self._news.set()

    def store_once(self, now_s: float) -> int:
        """Store what can be stored of the oldest pictures of one tenant.

        Args:
            now_s: monotonic time.

        Returns:
            How many were stored.

        Raises:
            TurnstileError: the storage or PostgreSQL is away, or refuses us; all pictures wait on.
        """
        batch = self._oldest()
        if not batch:
            return 0
        try:
            with transaction(self._engine, batch[0][1].tenant_id) as session:
                done = evidence.add(session, self._store, [picture for _, picture in batch])
        except TurnstileError:
            self._put_back(batch, at_the_front=True)
            raise
        except Exception:
            log.exception("Pictures can never be stored, dropped", pictures=len(batch))
            self._dropped += len(batch)
            self._put_back([], at_the_front=True)
            return 0
        early = [(since_s, picture) for since_s, picture in batch if picture.event_id not in done]
        patient = [(since_s, picture) for since_s, picture in early if now_s - since_s < PATIENCE_S]
        self._stored += len(done)
        self._dropped += len(early) - len(patient)
        self._put_back(patient, at_the_front=False)
        return len(done)

    def _store_some(self) -> None:
        try:
            while self.store_once(time.monotonic()):
                pass
        except TurnstileError as error:
            if str(error) != self._trouble:
                log.warning("Pictures of crossings wait", waiting=len(self._waiting), error=str(error))
            self._trouble = str(error)
            self._stopped.wait(self._backoff.next_s())
        else:
            self._trouble = ""
            self._backoff.reset()

    def _oldest(self) -> list[tuple[float, Evidence]]:
        with self._lock:
            if not self._waiting:
                return []
            tenant_id = self._waiting[0][1].tenant_id
            batch: list[tuple[float, Evidence]] = []
            while self._waiting and len(batch) < AT_ONCE and self._waiting[0][1].tenant_id == tenant_id:
                batch.append(self._waiting.popleft())
            self._in_hand = len(batch)
            return batch

    def _put_back(self, batch: Sequence[tuple[float, Evidence]], *, at_the_front: bool) -> None:
        with self._lock:
            if at_the_front:
                self._waiting.extendleft(reversed(batch))
            else:
                self._waiting.extend(batch)
            self._in_hand = 0
            self._make_room()

    def _make_room(self) -> None:
        while len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._dropped += 1
