"""A camera worker: many cameras, one loop from their frames to deliveries in the journal.

Each turn of the loop applies the oldest answered batch (detections to crossings, all cameras advanced together),
writes what is due into the journal, and gathers the frames that are ready into the next batch. Batches are answered
in the order they were asked, so a camera's frames are counted in order however many are on their way.

Bounds: three batches at the detector; beyond that frames wait in their feeds, where live cameras drop older frames
and recorded ones stop decoding. A full journal stops the loop the same way.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol

import structlog

from actors.capture.feed import CameraFeed, FeedEvent
from actors.worker.books import Books
from actors.worker.looks import IN_FLIGHT, Looks
from actors.worker.pictures import Pictures
from actors.worker.watch import Watch
from schema.camera import CameraSpec
from schema.errors import Retryable
from schema.events import Delivery, Frame
from schema.ports import Detector
from schema.work import Assignment, WorkerStatus

log = structlog.get_logger(__name__)

BATCH_FRAMES = 8
_IDLE_S = 0.25


class Outgoing(Protocol):
    """Where deliveries go: durable once ``append`` has returned."""

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries safe.

        Raises:
            Retryable: no room for now; nothing was kept.
        """
        ...


class CameraWorker:
    """Owns the feeds and the counting of its cameras. All methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        detector: Detector,
        outgoing: Outgoing,
        *,
        open_feed: Callable[..., CameraFeed] = CameraFeed,
        clock_ns: Callable[[], int] = time.time_ns,
        pool: Executor | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        """Make an idle worker; ``run`` it in a thread.

        Args:
            name: for people.
            detector: shared; safe to be called from several threads.
            outgoing: the journal.
            open_feed: makes a camera's feed, as ``CameraFeed(spec, bell=…, start_seq=…, motion_gate=…)``.
            clock_ns: the time.
            pool: threads that wait for the detector.
            pictures: takes a picture of each crossing; None takes none.
        """
        self.name = name
        self._outgoing = outgoing
        self._open_feed = open_feed
        self._clock_ns = clock_ns
        self._bell = threading.Event()
        pool = pool or ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix=f"{name}-detect")
        self._looks = Looks(detector, limit=BATCH_FRAMES, pool=pool, ring=self._bell.set)
        self._lock = threading.Lock()
        self._books = Books(clock_ns, pictures)
        self._watches = self._books.watches
        self._first = 0
        self._draining = False
        self._stopped = threading.Event()

    def assign(self, assignment: Assignment) -> None:
        """Watch a camera; under a newer lease this replaces the older one, and an older or equal one is ignored."""
        spec = assignment.spec
        with self._lock:
            held = self._watches.get(spec.id)
            if held is not None and held.lease_epoch >= assignment.lease_epoch:
                return
        self.unassign(spec.id)
        start_seq = assignment.checkpoint.seq + 1 if assignment.checkpoint else 1
        feed = self._open_feed(spec, bell=self._bell, start_seq=start_seq, motion_gate=spec.playback != "recorded")
        with self._lock:
            self._watches[spec.id] = Watch(assignment, feed)
        feed.start()
        log.info("Camera taken over", worker=self.name, camera=spec.name, lease_epoch=assignment.lease_epoch)

    def unassign(self, camera_id: int) -> None:
        """Stop watching a camera and deliver what it has counted; without it nothing happens."""
        with self._lock:
            watch = self._watches.pop(camera_id, None)
            if watch is None:
                return
            self._books.let_go(watch)
            self._save()
        watch.feed.close()

    def edit(self, spec: CameraSpec) -> None:
        """Count a camera by other rules from the next frame on; its stream and its tracks go on."""
        with self._lock:
            watch = self._watches.get(spec.id)
            if watch is not None:
                self._books.edit(watch, spec)

    def refused(self, camera_id: int, lease_epoch: int) -> None:
        """The store says that this lease is over: drop the camera at once, delivering nothing more."""
        with self._lock:
            watch = self._watches.get(camera_id)
            if watch is None or watch.lease_epoch > lease_epoch:
                return
            del self._watches[camera_id]
            self._books.drop(watch)
        log.warning("Camera given to another worker, dropped", worker=self.name, camera=watch.spec.name)
        watch.feed.close()

    def status(self) -> WorkerStatus:
        """How the worker and its cameras are doing."""
        with self._lock:
            now_ns = self._clock_ns()
            return WorkerStatus(
                name=self.name,
                cameras=tuple(watch.status(now_ns) for watch in self._watches.values()),
                trouble=self._looks.trouble,
                detector_retries=self._looks.retries,
            )

    def run(self) -> None:
        """Work until ``stop``; returns then."""
        while not self._stopped.is_set():
            self._bell.clear()
            if not self.turn():
                self._bell.wait(_IDLE_S)

    def turn(self) -> bool:
        """Do what can be done now without waiting; False when there was nothing."""
        with self._lock:
            if not self._save():
                return False
            look = self._looks.next_answered()
            if look is not None:
                self._books.apply(look)
            self._books.collect_due()
            self._save()
            return self._gather() or look is not None

    def drain(self, timeout_s: float = 10.0) -> None:
        """Finish the frames that are on their way, deliver everything and let go of all cameras."""
        self._draining = True
        deadline = time.monotonic() + timeout_s
        while not self._looks.idle and (self.turn() or time.monotonic() < deadline):
            time.sleep(0.01)
        for camera_id in list(self._watches):
            self.unassign(camera_id)

    def stop(self) -> None:
        """End ``run`` and the feeds, delivering nothing more."""
        self._stopped.set()
        self._looks.stop()
        self._bell.set()
        for watch in list(self._watches.values()):
            watch.feed.close()

    def _gather(self) -> bool:
        """Ask the detector about what is ready: one item of each camera in turn, live cameras first."""
        if not self._looks.has_room or self._draining or self._books.unsaved:
            return False
        watches = list(self._watches.values())
        self._first = (self._first + 1) % max(1, len(watches))
        # Whoever was first goes last next time; sorting is stable.
        ready = sorted(watches[self._first :] + watches[: self._first], key=lambda watch: watch.recorded)
        items: list[tuple[Watch, Frame | FeedEvent]] = []
        while ready and len(items) < BATCH_FRAMES:
            still_ready: list[Watch] = []
            for watch in ready[: BATCH_FRAMES - len(items)]:
                if taken := watch.feed.take(1):
                    items.append((watch, taken[0]))
                    still_ready.append(watch)
            ready = still_ready
        if items:
            self._looks.ask(items)
        return bool(items)

    def _save(self) -> bool:
        """Journal what is unsaved; False while there is no room."""
        if self._books.unsaved:
            try:
                self._outgoing.append(self._books.unsaved)
            except Retryable as error:
                log.warning("Journal takes nothing, cameras wait", worker=self.name, error=str(error))
                return False
            self._books.unsaved = []
        return True
