"""Jobs at work without Ray: a relay, keepers and workers in threads, which tests start and stop."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pika
from sqlalchemy import Engine

from actors.jobs.keeper import JobKeeper
from actors.jobs.schedule import Schedule
from actors.jobs.worker import JobWorker
from actors.queue.consumer import Consumer
from actors.queue.relay import OutboxRelay
from actors.queue.topology import QUEUES, declare, parameters_of
from schema.database import transaction
from schema.errors import StoreUnavailable
from schema.jobs import Job
from schema.names import jobs_queue
from schema.queries import jobs
from schema.tenants import DEFAULT_TENANT_ID

PATIENCE_S = 30.0
KIND = "export"
ARGUMENTS: Mapping[str, Any] = {"what": "counts", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}


def eventually(check: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """What ``check`` gives as soon as it is true."""
    deadline_s = time.monotonic() + patience_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"{what} did not come about"
        time.sleep(0.05)


class JobBench:
    """One database and one broker, emptied."""

    def __init__(self, dsn: str, amqp_url: str, engine: Engine) -> None:
        self.dsn, self.amqp_url, self.engine = dsn, amqp_url, engine
        self.parameters = parameters_of(amqp_url)

    def empty_broker(self) -> None:
        """All queues are there, with nothing in them."""
        declare(self.parameters)
        with pika.BlockingConnection(self.parameters) as connection:
            channel = connection.channel()
            for queue in QUEUES:
                channel.queue_purge(queue)

    def request(self, **given: Any) -> Job:
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            return jobs.request(session, KIND, {**ARGUMENTS, **given})

    def get(self, job: Job) -> Job:
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            return jobs.get(session, job.id)

    def cancel(self, job: Job) -> None:
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            jobs.cancel(session, job.id)

    def ended(self, job: Job, patience_s: float = PATIENCE_S) -> Job:
        """The job as soon as nothing is left to do."""
        return eventually(lambda: (now := self.get(job)) and not now.is_open and now, f"end of {job}", patience_s)

    @contextmanager
    def relaying(self) -> Iterator[None]:
        """The outbox is relayed, and what lost its message is told again after 1 s."""
        relay = OutboxRelay(self.dsn, self.amqp_url)
        keeper = JobKeeper(self.dsn, self.amqp_url, Schedule([]), untaken_s=1.0)

        def step() -> None:
            with suppress(StoreUnavailable):
                relay.run_once(100)
            with suppress(StoreUnavailable):
                keeper.step(time.time_ns())

        try:
            with _repeating(step):
                yield
        finally:
            relay.close()
            keeper.close()

    @contextmanager
    def working(self, handler: Callable[[Any], Any], *, holder: str = "one", lease_s: float = 1.0) -> Iterator[None]:
        """One worker takes jobs."""
        worker = JobWorker(self.dsn, {KIND: handler}, holder=holder, lease_s=lease_s)
        consumer = Consumer(self.amqp_url, jobs_queue(KIND), worker.handle)
        thread = threading.Thread(target=consumer.run, name=holder, daemon=True)
        thread.start()
        try:
            yield
        finally:
            consumer.stop()
            thread.join()
            worker.close()

    @contextmanager
    def at_work(self, handler: Callable[[Any], Any], **given: Any) -> Iterator[None]:
        """Relay and one worker."""
        with ExitStack() as stack:
            stack.enter_context(self.relaying())
            stack.enter_context(self.working(handler, **given))
            yield


@contextmanager
def _repeating(step: Callable[[], None]) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.05):
            step()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
