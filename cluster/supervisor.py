"""Keeps every camera watched by exactly one worker, whatever happens to workers.

Each step compares what should be (cameras in the store) with what is (what the workers say) and mends the difference.
Nothing has to be remembered from one step to the next but when a worker last answered, so a supervisor that starts
anew takes over what it finds.

A worker that does not answer for ``SILENT_S`` loses its cameras to others, under new leases: should it wake, the store
refuses what it writes. After ``HUNG_S`` its process is restarted.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from cluster.placement import place, workers_needed
from schema.camera import CameraSpec
from schema.errors import Permanent, Retryable
from schema.work import Assignment, CameraStatus, WorkerStatus

log = structlog.get_logger(__name__)

STEP_S = 1.0
PING_S = 2.0
SILENT_S = 4.0
HUNG_S = 15.0
STARTING_S = 30.0
"""A worker that has not answered yet is taken for starting this long."""


class Fleet(Protocol):
    """The workers, near or far."""

    def statuses(self, timeout_s: float) -> Mapping[str, WorkerStatus | None]:
        """What every worker says, asked at the same time; None for one that did not answer."""
        ...

    def start_worker(self) -> None:
        """Start one more; it will appear in ``statuses``."""
        ...

    def restart_worker(self, name: str) -> None:
        """End a worker's process; it starts anew, without its cameras."""
        ...

    def assign(self, name: str, assignment: Assignment) -> None:
        """Lend a camera to a worker.

        Raises:
            Retryable: the worker did not answer.
        """
        ...

    def unassign(self, name: str, camera_id: int) -> None:
        """Take a camera from a worker; raises as ``assign``."""
        ...

    def edit(self, name: str, spec: CameraSpec) -> None:
        """Change a camera's rules where it is; raises as ``assign``."""
        ...


class Catalogue(Protocol):
    """The store's side: which cameras there are, and who holds them."""

    def wanted(self) -> Sequence[CameraSpec]:
        """Every camera that is to be watched now.

        Raises:
            Retryable: the store does not answer.
        """
        ...

    def lend(self, spec: CameraSpec, holder: str) -> Assignment:
        """Grant a new lease, and say from where a recorded camera goes on; raises as ``wanted``.

        Raises:
            Permanent: this camera cannot be lent.
        """
        ...

    def renew(self, held: Collection[tuple[int, int]]) -> None:
        """Prolong leases, given as camera id and lease epoch; raises as ``wanted``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """The system at one moment: workers that answer, names of those that do not, cameras that nobody watches."""

    workers: tuple[WorkerStatus, ...] = ()
    silent: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()


class Supervisor:
    """Mends one difference after another; ``step`` is called about once a second by one thread."""

    def __init__(self, fleet: Fleet, catalogue: Catalogue, *, per_worker: int) -> None:
        self.overview = Overview()
        self._fleet = fleet
        self._catalogue = catalogue
        self._per_worker = per_worker
        self._placed: dict[int, str] = {}
        self._first_seen_s: dict[str, float] = {}
        self._answered_s: dict[str, float] = {}
        self._restarted_s: dict[str, float] = {}
        self._finished: set[int] = set()

    def step(self, now_s: float) -> None:
        """Compare and mend once.

        Args:
            now_s: a clock that never goes back.

        Raises:
            Retryable: the store does not answer; everything stays where it is.
        """
        statuses = self._fleet.statuses(PING_S)
        self._note_answers(statuses, now_s)
        # Before the store is asked: while it is away, people want to see how the workers cope.
        self.overview = replace(
            self.overview,
            workers=tuple(status for status in statuses.values() if status is not None),
            silent=tuple(name for name, status in statuses.items() if status is None),
        )
        wanted = {spec.id: spec for spec in self._catalogue.wanted()}
        self._mend_fleet(statuses, len(wanted), now_s)
        held = _held(statuses)
        there = [name for name in statuses if now_s - self._answered_s.get(name, -SILENT_S) < SILENT_S]
        now_at = self._placed | {camera_id: name for camera_id, (name, _) in held.items()}
        self._placed = place(wanted, there, now_at, per_worker=self._per_worker)
        self._take_back(statuses, held)
        for camera_id, name in self._placed.items():
            if statuses[name] is not None:
                self._provide(wanted[camera_id], name, held.get(camera_id))
        self._catalogue.renew([(camera_id, status.lease_epoch) for camera_id, (_, status) in held.items()])
        unplaced = tuple(spec.name for spec in wanted.values() if spec.id not in self._placed)
        self.overview = replace(self.overview, unplaced=unplaced)

    def _note_answers(self, statuses: Mapping[str, WorkerStatus | None], now_s: float) -> None:
        for name, status in statuses.items():
            self._first_seen_s.setdefault(name, now_s)
            if status is not None:
                self._answered_s[name] = now_s

    def _mend_fleet(self, statuses: Mapping[str, WorkerStatus | None], cameras: int, now_s: float) -> None:
        usable = 0
        for name in statuses:
            silent_s = now_s - self._answered_s.get(name, now_s)
            starting = name not in self._answered_s and now_s - self._first_seen_s[name] < STARTING_S
            if starting or (name in self._answered_s and silent_s < SILENT_S):
                usable += 1
            if silent_s > HUNG_S and now_s - self._restarted_s.get(name, -HUNG_S) >= HUNG_S:
                log.warning("Worker hangs, restarting it", worker=name, silent_s=round(silent_s, 1))
                self._restarted_s[name] = now_s
                self._fleet.restart_worker(name)
        needed = workers_needed(cameras, per_worker=self._per_worker)
        # Where workers do not come up, starting ever more of them would not help.
        for _ in range(min(needed - usable, 2 * needed - len(statuses))):
            self._fleet.start_worker()

    def _take_back(
        self, statuses: Mapping[str, WorkerStatus | None], held: Mapping[int, tuple[str, CameraStatus]]
    ) -> None:
        """Take cameras from workers that should not have them: no longer wanted, or lent to another since."""
        for name, status in statuses.items():
            for camera in status.cameras if status else ():
                camera_id = camera.spec.id
                if self._placed.get(camera_id) != name or held[camera_id][0] != name:
                    self._try(name, partial(self._fleet.unassign, name, camera_id))

    def _provide(self, spec: CameraSpec, name: str, held: tuple[str, CameraStatus] | None) -> None:
        """See to it that a worker watches a camera as it is wanted."""
        if held is not None and held[0] == name and not self._is_begun_anew(held[1]):
            was = held[1].spec
            if was == spec:
                return
            if replace(was, name=spec.name, scene=spec.scene) == spec:
                self._try(name, partial(self._fleet.edit, name, spec))
                return
        try:
            assignment = self._catalogue.lend(spec, name)
        except Permanent as error:
            log.error("Camera cannot be lent", camera=spec.name, error=str(error))  # noqa: TRY400
            return
        self._try(name, partial(self._fleet.assign, name, assignment))

    def _is_begun_anew(self, held: CameraStatus) -> bool:
        """Whether a recording that a worker has finished is wanted still.

        For one step its end may yet be on its way to the store; after that somebody wants it counted again.
        """
        camera_id = held.spec.id
        if held.state != "finished":
            self._finished.discard(camera_id)
            return False
        if camera_id not in self._finished:
            self._finished.add(camera_id)
            return False
        self._finished.discard(camera_id)
        return True

    def _try(self, name: str, act: Callable[[], None]) -> None:
        """Do it now or, should the worker not answer, in a later step."""
        try:
            act()
        except Retryable as error:
            log.warning("Worker could not be told", worker=name, error=str(error))


def _held(statuses: Mapping[str, WorkerStatus | None]) -> dict[int, tuple[str, CameraStatus]]:
    """Who holds which camera; of two, the one with the newer lease."""
    held: dict[int, tuple[str, CameraStatus]] = {}
    for name, status in statuses.items():
        for camera in status.cameras if status else ():
            other = held.get(camera.spec.id)
            if other is None or other[1].lease_epoch < camera.lease_epoch:
                held[camera.spec.id] = (name, camera)
    return held
