"""The Ray actors of the flow: thin shells around plain classes. Only this file and ``meters.py`` import Ray here."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import ray
import structlog
from ray.exceptions import RayError, RayTaskError

from actors.backoff import Backoff
from actors.counter import CountingShard
from actors.jobs.keeper import STEP_S, JobKeeper
from actors.jobs.plan import JobPlan
from actors.jobs.schedule import Schedule
from actors.jobs.worker import JobWorker
from actors.meters import CountingMeters, JobMeters, WorkerMeters
from actors.queue.consumer import Consumer
from actors.queue.relay import OutboxRelay
from actors.sinks.postgres import PostgresStore
from actors.sinks.redis import RedisSink
from actors.worker.camera import CameraWorker
from actors.worker.journal import Journal
from actors.worker.keeper import KeeperStats, PicturesTo
from actors.worker.pictures import Pictures
from actors.worker.sender import Commit, Sender
from schema.camera import CameraSpec
from schema.errors import Permanent, Retryable, StoreUnavailable
from schema.events import Delivery
from schema.names import RAY_NAMESPACE, counter_actor, jobs_queue
from schema.ports import Detector
from schema.work import Assignment, WorkerStatus

log = structlog.get_logger(__name__)

COMMIT_TIMEOUT_S = 30.0
METERS_EVERY_S = 2.0
PICTURES_WAIT_S = 2.0
"""When a worker lets go, its last pictures have this long to be stored; they are not worth more."""
RELAY_LIMIT = 500
RELAY_IDLE_S = 0.05


def remote_actor(*, num_cpus: float = 0, max_concurrency: int | None = None) -> Callable[[type], Any]:
    """An actor that is restarted for ever, and whose calls are repeated until they are answered.

    ``num_cpus`` is what placement reckons with, not a limit. ``max_concurrency`` None leaves it to Ray: one call at a
    time, or a thousand where methods are coroutines.
    """
    return cast(Any, ray.remote)(
        max_restarts=-1, max_task_retries=-1, num_cpus=num_cpus, max_concurrency=max_concurrency
    )


@remote_actor(num_cpus=0.1, max_concurrency=8)
class CameraWorkerActor:
    """A ``CameraWorker`` with its journal and sender.

    It restarts without its cameras, which the supervisor notices; what its journal held is sent by whoever comes next
    on this node.
    """

    def __init__(self, name: str, journals: str, detector: Detector, shards: int, pictures: PicturesTo | None) -> None:
        self._journal = Journal(Path(journals))
        self._sender = Sender(self._journal, [_commit_to(shard) for shard in range(shards)], on_refused=self._refused)
        self._keeper = pictures.open_keeper() if pictures else None
        self._worker = CameraWorker(
            name, detector, self._sender, pictures=Pictures(self._keeper.take) if self._keeper else None
        )
        self._meters = WorkerMeters()
        keeping = (self._keeper.run,) if self._keeper else ()
        for work in (self._worker.run, self._sender.run, self._keep_metering, *keeping):
            threading.Thread(target=_or_die, args=(work,), name=work.__name__, daemon=True).start()

    def assign(self, assignment: Assignment) -> None:
        """Watch a camera."""
        self._worker.assign(assignment)

    def unassign(self, camera_id: int) -> None:
        """Stop watching a camera."""
        self._worker.unassign(camera_id)

    def edit(self, spec: CameraSpec) -> None:
        """Count a camera by other rules."""
        self._worker.edit(spec)

    def status(self) -> WorkerStatus:
        """How the worker and its cameras are doing."""
        pictures = self._keeper.stats if self._keeper else KeeperStats()
        return replace(
            self._worker.status(),
            unsent_bytes=self._journal.waiting_bytes,
            pid=os.getpid(),
            pictures_stored=pictures.stored,
            pictures_dropped=pictures.dropped,
            pictures_waiting=pictures.waiting,
        )

    def drain(self, timeout_s: float) -> bool:
        """Let go of all cameras and deliver everything; False if the store did not take it in time."""
        self._worker.drain()
        delivered = self._sender.wait_until_empty(timeout_s)
        if self._keeper is not None and delivered:
            self._keeper.wait_until_empty(PICTURES_WAIT_S)
        return delivered

    def _refused(self, camera_id: int, lease_epoch: int) -> None:
        self._worker.refused(camera_id, lease_epoch)

    def _keep_metering(self) -> None:
        while True:
            time.sleep(METERS_EVERY_S)
            self._meters.report(self.status(), store_retries=self._sender.retries, now_ns=time.time_ns())


@remote_actor()
class CountingActor:
    """A ``CountingShard``. It keeps nothing that is not in PostgreSQL, so it can be restarted at any time."""

    def __init__(self, shard: int, dsn: str, redis_url: str) -> None:
        self._shard = CountingShard(
            PostgresStore(dsn), RedisSink(redis_url, dsn), on_committed=CountingMeters(shard).report
        )
        self._healing: asyncio.Task[None] | None = None

    async def commit(self, deliveries: Sequence[Delivery]) -> tuple[int, ...]:
        """Make deliveries durable; gives the cameras that were refused."""
        await self.heal()
        return await self._shard.commit(deliveries)

    async def heal(self) -> None:
        """Watch over the live totals from now on."""
        if self._healing is None:
            self._healing = asyncio.create_task(self._shard.keep_healing())


@remote_actor(max_concurrency=2)
class RelayActor:
    """Takes messages from PostgreSQL's outbox to RabbitMQ, for as long as it takes."""

    def __init__(self, dsn: str, amqp_url: str) -> None:
        self._relay = OutboxRelay(dsn, amqp_url)
        self._published = 0
        threading.Thread(target=_or_die, args=(self._run,), name="relay", daemon=True).start()

    def published(self) -> int:
        """How many messages the broker has confirmed since this process started."""
        return self._published

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                count = self._relay.run_once(RELAY_LIMIT)
            except Retryable as error:
                log.warning("Messages wait in the outbox", error=str(error))
                time.sleep(backoff.next_s())
                continue
            backoff.reset()
            self._published += count
            if count < RELAY_LIMIT:
                time.sleep(RELAY_IDLE_S)


@remote_actor(max_concurrency=2)
class JobActor:
    """A ``JobWorker`` with a lane for each kind of job, and a keeper. Killed, it leaves its jobs to whoever comes."""

    def __init__(self, name: str, dsn: str, amqp_url: str, plan: JobPlan) -> None:
        handlers = plan.open_handlers()
        self._worker = JobWorker(dsn, handlers, holder=name, on_ended=JobMeters().report)
        self._keeper = JobKeeper(dsn, amqp_url, Schedule(plan.periodic))
        for kind in handlers:
            lane = Consumer(amqp_url, jobs_queue(kind), self._worker.handle)
            threading.Thread(target=_or_die, args=(lane.run,), name=f"jobs-{kind}", daemon=True).start()
        threading.Thread(target=_or_die, args=(self._keep,), name="job-keeper", daemon=True).start()

    def _keep(self) -> None:
        backoff = Backoff()
        while True:
            try:
                self._keeper.step(time.time_ns())
            except Retryable as error:
                log.warning("Jobs are not looked after for now", error=str(error))
                time.sleep(backoff.next_s())
                continue
            backoff.reset()
            time.sleep(STEP_S)


def _commit_to(shard: int) -> Commit:
    """A shard as a function; an actor that does not answer is a store that does not."""

    def commit(deliveries: Sequence[Delivery]) -> Iterable[int]:
        try:
            counter = ray.get_actor(counter_actor(shard), namespace=RAY_NAMESPACE)
            return cast(Iterable[int], ray.get(counter.commit.remote(deliveries), timeout=COMMIT_TIMEOUT_S))
        except RayTaskError as error:
            if isinstance(error.cause, Retryable):
                raise StoreUnavailable(str(error.cause)) from error
            raise Permanent(f"the store failed: {error.cause}") from error
        except (RayError, TimeoutError, ValueError) as error:  # ValueError: there is no such actor
            raise StoreUnavailable(f"counting actor {shard} did not answer: {type(error).__name__}") from error

    return commit


def _or_die(work: Callable[[], None]) -> None:
    """A thread that must not end: when it fails, the process goes, and Ray and the supervisor see to a new one."""
    try:
        work()
    except BaseException:
        log.exception("Work failed, the process ends to start anew")
        os._exit(1)
