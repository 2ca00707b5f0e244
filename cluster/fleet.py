"""The workers as named Ray actors, and the supervisor that keeps them at work."""

import threading
import time
from collections.abc import Mapping
from typing import Any, cast

import ray
import structlog
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.util import list_named_actors

from actors.remote import CameraWorkerActor, remote_actor
from actors.worker.keeper import PicturesTo
from cluster.catalogue import StoreCatalogue
from cluster.resources import STREAMS
from cluster.supervisor import STEP_S, Overview, Supervisor
from cluster.upkeep import PartitionUpkeep
from schema.cache.client import Cache
from schema.cache.flags import LIVE_STATUS, Flags
from schema.cache.statuses import StatusReporter
from schema.camera import CameraSpec
from schema.errors import Retryable
from schema.names import RAY_NAMESPACE, worker_actor
from schema.ports import Detector
from schema.work import Assignment, WorkerStatus

log = structlog.get_logger(__name__)

TELL_S = 5.0
ALERTS_EVERY_S = 10.0


class RayFleet:
    """Starts, finds and talks to camera workers."""

    def __init__(
        self, *, journals: str, detector: Detector, shards: int, per_worker: int, pictures: PicturesTo | None
    ) -> None:
        """Find the workers that are there.

        Args:
            journals: folder of the workers' journals, on each node's own disk.
            detector: given to every worker.
            shards: how many counting actors there are.
            per_worker: cameras on a worker at most.
            pictures: where workers keep pictures of crossings; None: nowhere.
        """
        self._journals = journals
        self._detector = detector
        self._shards = shards
        self._per_worker = per_worker
        self._pictures = pictures
        self._asked: dict[str, ray.ObjectRef[Any]] = {}
        names = set(list_named_actors())
        self._workers: dict[str, ActorHandle[Any]] = {}
        while worker_actor(len(self._workers)) in names:
            name = worker_actor(len(self._workers))
            self._workers[name] = ray.get_actor(name, namespace=RAY_NAMESPACE)

    def statuses(self, timeout_s: float) -> Mapping[str, WorkerStatus | None]:
        """Ask all workers at once. One that still owes an answer is not asked again."""
        for name, worker in self._workers.items():
            if name not in self._asked:
                self._asked[name] = worker.status.remote()
        if self._asked:
            ray.wait(list(self._asked.values()), num_returns=len(self._asked), timeout=timeout_s)
        return {name: self._answer(name) for name in self._workers}

    def _answer(self, name: str) -> WorkerStatus | None:
        try:
            status = ray.get(self._asked[name], timeout=0)
        except TimeoutError:
            return None
        except RayError as error:
            log.warning("Worker failed to say how it is", worker=name, error=type(error).__name__)
            status = None
        del self._asked[name]
        return cast(WorkerStatus | None, status)

    def start_worker(self) -> None:
        """Start one more."""
        name = worker_actor(len(self._workers))
        self._workers[name] = CameraWorkerActor.options(
            name=name,
            namespace=RAY_NAMESPACE,
            get_if_exists=True,
            lifetime="detached",
            resources={STREAMS: self._per_worker},
        ).remote(name, self._journals, self._detector, self._shards, self._pictures)
        log.info("Worker started", worker=name)

    def restart_worker(self, name: str) -> None:
        """End its process; Ray starts it anew."""
        ray.kill(self._workers[name], no_restart=False)

    def assign(self, name: str, assignment: Assignment) -> None:
        """Lend a camera to a worker.

        Raises:
            Retryable: the worker did not answer.
        """
        self._tell(self._workers[name].assign.remote(assignment))

    def unassign(self, name: str, camera_id: int) -> None:
        """Take a camera from a worker; raises as ``assign``."""
        self._tell(self._workers[name].unassign.remote(camera_id))

    def edit(self, name: str, spec: CameraSpec) -> None:
        """Change a camera's rules where it is; raises as ``assign``."""
        self._tell(self._workers[name].edit.remote(spec))

    def _tell(self, answer: "ray.ObjectRef[Any]") -> None:
        try:
            ray.get(answer, timeout=TELL_S)
        except (RayError, TimeoutError) as error:
            raise Retryable(f"the worker did not answer: {type(error).__name__}") from error


@remote_actor(max_concurrency=4)
class SupervisorActor:
    """Runs the supervisor's steps, and beside them the upkeep of partitions.

    Restarted after a crash, it takes over the workers that it finds.
    """

    def __init__(
        self,
        dsn: str,
        redis_url: str,
        journals: str,
        detector: Detector,
        shards: int,
        per_worker: int,
        with_live_cameras: bool,
        pictures: PicturesTo | None,
    ) -> None:
        fleet = RayFleet(journals=journals, detector=detector, shards=shards, per_worker=per_worker, pictures=pictures)
        self._catalogue = StoreCatalogue(dsn, live=with_live_cameras)
        self._supervisor = Supervisor(fleet, self._catalogue, per_worker=per_worker)
        cache = Cache(redis_url)
        self._reporter, self._flags = StatusReporter(cache), Flags(cache)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()
        # A thread of its own: a table that is in use for long must not hold up supervision.
        threading.Thread(
            target=PartitionUpkeep(dsn).run, args=(self._stopping,), name="partitions", daemon=True
        ).start()

    def overview(self) -> Overview:
        """The system as the last step saw it."""
        return self._supervisor.overview

    def stop(self) -> list[str]:
        """Supervise no longer; gives the names of the workers, which go on."""
        self._stopping.set()
        self._thread.join()
        self._reporter.stop()
        overview = self._supervisor.overview
        return [*(worker.name for worker in overview.workers), *overview.silent]

    def _run(self) -> None:
        followed_s = 0.0
        while not self._stopping.is_set():
            started_s = time.monotonic()
            try:
                self._supervisor.step(started_s)
                if started_s >= followed_s + ALERTS_EVERY_S:
                    self._catalogue.follow_cameras(time.time_ns())
                    followed_s = started_s
            except Retryable as error:
                log.warning("Supervision waits", error=str(error))
            except Exception:
                log.exception("Supervision failed, trying again")
            if self._flags.on(LIVE_STATUS):
                overview = self._supervisor.overview
                self._reporter.report([camera for worker in overview.workers for camera in worker.cameras])
            self._stopping.wait(max(0.1, STEP_S - (time.monotonic() - started_s)))
