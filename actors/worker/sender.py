"""Takes deliveries from a worker's journal to the counting shards, for as long as it takes."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from actors.backoff import Backoff
from actors.worker.journal import Entry, Journal
from schema.errors import Retryable
from schema.events import Delivery

log = structlog.get_logger(__name__)

AT_ONCE = 256
ADOPT_EVERY_S = 15.0

Commit = Callable[[Sequence[Delivery]], Iterable[int]]
"""Stores deliveries of one shard, one lease epoch a camera; gives the ids of cameras that were refused."""


class Sender:
    """A delivery leaves the journal when its shard has answered that it is durable, or refused.

    While a shard or the store behind it does not answer, its deliveries stay and are sent again with back-off. One
    that can never be stored (a fault in the program) is logged and set aside, or nothing would ever follow it.
    """

    def __init__(self, journal: Journal, shards: Sequence[Commit], *, on_refused: Callable[[int, int], None]) -> None:
        """Prepare; ``run`` it in a thread.

        Args:
            journal: the worker's own.
            shards: a camera's deliveries go to the shard of its id modulo their number.
            on_refused: called with a camera's id and the lease epoch that is over.
        """
        self.retries = 0
        self._journal = journal
        self._shards = shards
        self._on_refused = on_refused
        self._backoff = Backoff()
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._empty = threading.Event()
        self._pool = ThreadPoolExecutor(len(shards), thread_name_prefix="sender")

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """Journal deliveries and wake the sender; durable on return.

        Raises:
            Retryable: the journal is full.
        """
        self._journal.append(deliveries)
        self._empty.clear()
        self._news.set()

    def run(self) -> None:
        """Send until ``stop``; now and then look for journals whose worker died, and send those too."""
        adopt_at_s = 0.0
        while not self._stopped.is_set():
            if time.monotonic() >= adopt_at_s:
                self._journal.adopt_orphans()
                adopt_at_s = time.monotonic() + ADOPT_EVERY_S
            self._news.clear()
            if self.send_once() == 0:
                self._news.wait(1.0)

    def send_once(self) -> int:
        """Send what is waiting, up to a bound; gives how many deliveries left the journal."""
        entries = _one_lease_a_camera(self._journal.pending(AT_ONCE))
        if not entries:
            self._empty.set()
            return 0
        groups: dict[int, list[Entry]] = {}
        for entry in entries:
            groups.setdefault(entry.delivery.camera_id % len(self._shards), []).append(entry)
        sent = sum(self._pool.map(self._send, groups.keys(), groups.values()))
        if sent == len(entries):
            self._backoff.reset()
        else:
            self.retries += 1
            self._stopped.wait(self._backoff.next_s())
        return sent

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until everything has left the journal; False if it has not in time."""
        return self._empty.wait(timeout_s)

    def stop(self) -> None:
        """End ``run``; what is in the journal stays there."""
        self._stopped.set()
        self._news.set()

    def _send(self, shard: int, entries: Sequence[Entry]) -> int:
        deliveries = [entry.delivery for entry in entries]
        try:
            refused = set(self._shards[shard](deliveries))
        except Retryable as error:
            log.warning("Deliveries wait in the journal", shard=shard, waiting=len(entries), error=str(error))
            return 0
        except Exception:
            if len(entries) > 1:
                return sum(self._send(shard, [entry]) for entry in entries)
            log.exception("Delivery can never be stored, set aside", delivery=deliveries[0])
            refused = set()
        self._journal.acknowledge([entry.id for entry in entries])
        for camera_id, lease_epoch in {delivery.camera_id: delivery.lease_epoch for delivery in deliveries}.items():
            if camera_id in refused:
                self._on_refused(camera_id, lease_epoch)
        return len(entries)


def _one_lease_a_camera(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The longest start of the queue in which no camera has two leases: a refusal then says which one is over."""
    leases: dict[int, int] = {}
    for place, entry in enumerate(entries):
        delivery = entry.delivery
        if leases.setdefault(delivery.camera_id, delivery.lease_epoch) != delivery.lease_epoch:
            return entries[:place]
    return entries
