"""A worker: takes jobs from the queues and does each once.

RabbitMQ says that there is a job; PostgreSQL says whose it is. The row is claimed under a lease before anything is
done, and only the holder of its newest epoch may say how it ended:

- A message that comes twice finds its job done, or in other hands, and is let go.
- A worker that is killed leaves its message to RabbitMQ, which gives it to another one; that waits until the lease has
  expired, and claims the job under a higher epoch.
- A worker that was taken for dead, and is not, is told so by its next renewal, and cannot complete the job.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from sqlalchemy.orm import Session

from actors.backoff import Backoff
from actors.jobs.task import Cancelled, Handler, Over, Task
from actors.queue.consumer import Received
from schema.database import across_tenants, open_engine
from schema.errors import BadInput, NotFound, Permanent, Retryable, StoreUnavailable
from schema.jobs import Job, Kind
from schema.queries import job_leases, jobs
from schema.queries.job_leases import Held
from schema.sources import redact

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5
"""How often a job is begun that fails for a reason nobody thought of, or takes its worker down with it."""
LEASE_S: Final = 10.0
RENEW_S: Final = 2.0
RETRY_FIRST_S, RETRY_CAP_S = 2.0, 60.0

Outcome = Literal["done", "failed", "cancelled", "superseded", "retried"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How one attempt at a job ended, for metrics."""

    kind: Kind
    outcome: Outcome
    seconds: float


class JobWorker:
    """Does jobs of all kinds that it has handlers for; ``handle`` may be called by several threads at once."""

    def __init__(
        self,
        dsn: str,
        handlers: Mapping[Kind, Handler],
        *,
        holder: str,
        lease_s: float = LEASE_S,
        on_ended: Callable[[Ended], None] = lambda _ended: None,
    ) -> None:
        """Connect when first needed.

        Args:
            dsn: PostgreSQL.
            handlers: by kind.
            holder: this worker's name, for people.
            lease_s: after a silence of this long a job is another worker's to take; it is renewed five times as often.
            on_ended: called after each attempt.
        """
        # Every transaction here is short, so handlers and those who renew their leases share.
        self._engine = open_engine(dsn, pool_size=max(2, len(handlers)))
        self._handlers = handlers
        self._holder = holder
        self._lease_s = lease_s
        self._on_ended = on_ended

    def handle(self, message: Received) -> None:
        """Do the job that a message names, if it still is to be done.

        Raises:
            StoreUnavailable: PostgreSQL does not answer; nothing was begun.
            Permanent: the message names no job, or its job failed for good and somebody should look at it.
        """
        job = self._claim(_job_id(message))
        if job is None:
            return
        if job.attempts > ATTEMPTS:
            sentence = job.error or "its worker ended without a word"
            self._settle(job, lambda session: job_leases.fail(session, job, sentence))
            raise Permanent(f"job {job.id} was begun {ATTEMPTS} times in vain: {sentence}")
        began_s = time.monotonic()
        outcome: Outcome = "failed"
        try:
            outcome = self._do(job)
        finally:
            self._on_ended(Ended(kind=job.kind, outcome=outcome, seconds=time.monotonic() - began_s))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _claim(self, job_id: int) -> Job | None:
        """The job; or None where it is over, or somebody who is alive has it."""
        seen_epoch: int | None = None
        while True:
            with across_tenants(self._engine) as session:
                found = job_leases.claim(session, job_id, holder=self._holder, ttl_s=self._lease_s)
            if not isinstance(found, Held):
                return found
            if seen_epoch is not None and (found.lease_epoch != seen_epoch or found.for_s > 0):
                # Somebody renewed the lease: should he die later, the job is told of anew.
                return None
            seen_epoch = found.lease_epoch
            time.sleep(max(0.0, found.for_s) + 0.1)

    def _do(self, job: Job) -> Outcome:
        task = Task(job)
        renewing = _Renewing(lambda: self._renew(task), every_s=self._lease_s / 5)
        log.info("Job begun", job=job.id, kind=job.kind, attempt=job.attempts)
        try:
            with renewing:
                result = dict(self._handlers[job.kind](task))
        except Over as over:
            log.info("Job is no longer ours", job=job.id, kind=job.kind, reason=str(over))
            return "cancelled" if isinstance(over, Cancelled) else "superseded"
        except Retryable as error:
            return self._try_later(job, error, passing=True)
        except (BadInput, Permanent) as error:
            sentence = redact(str(error))
            return self._end(job, "failed", lambda session: job_leases.fail(session, job, sentence))
        except Exception as error:
            log.exception("Job failed", job=job.id, kind=job.kind, attempt=job.attempts)
            if job.attempts < ATTEMPTS:
                return self._try_later(job, error, passing=False)
            sentence = redact(f"{type(error).__name__}: {error}")
            self._end(job, "failed", lambda session: job_leases.fail(session, job, sentence))
            raise Permanent(f"job {job.id} failed {ATTEMPTS} times: {sentence}") from error
        return self._end(job, "done", lambda session: job_leases.complete(session, job, result))

    def _try_later(self, job: Job, error: Exception, *, passing: bool) -> Outcome:
        sentence = redact(str(error) if passing else f"{type(error).__name__}: {error}")
        before = job.retries if passing else job.attempts - 1
        after_s = min(RETRY_FIRST_S * 2 ** min(before, 10), RETRY_CAP_S)
        log.warning("Job is tried again later", job=job.id, kind=job.kind, error=sentence, after_s=after_s)
        return self._end(
            job,
            "retried",
            lambda session: job_leases.put_back(session, job, error=sentence, after_s=after_s, passing=passing),
        )

    def _end(self, job: Job, outcome: Outcome, say: Callable[[Session], bool]) -> Outcome:
        if self._settle(job, say):
            return outcome
        log.warning("Job was taken over, what became of it here does not count", job=job.id, outcome=outcome)
        return "superseded"

    def _settle(self, job: Job, say: Callable[[Session], bool]) -> bool:
        """Say how a job ended, however long PostgreSQL is away: doing all of it again would be worse than waiting."""
        backoff = Backoff()
        while True:
            try:
                with across_tenants(self._engine) as session:
                    return say(session)
            except StoreUnavailable as error:
                log.warning("Job waits to be settled", job=job.id, error=str(error))
                time.sleep(backoff.next_s())

    def _renew(self, task: Task) -> None:
        job, (progress, message) = task.job, task.progress
        with across_tenants(self._engine) as session:
            if job_leases.renew(session, job, ttl_s=self._lease_s, progress=progress, message=message):
                return
        with across_tenants(self._engine) as session:
            try:
                now = jobs.get(session, job.id)
            except NotFound:
                now = None
        if now is not None and now.state == "cancelled":
            task.end(Cancelled(f"job {job.id} was cancelled"))
        else:
            task.end(Over(f"job {job.id} was given to another worker"))


class _Renewing:
    """Repeats something while a block runs, in a thread; what cannot be done for now is tried again next time."""

    def __init__(self, work: Callable[[], None], *, every_s: float) -> None:
        self._work = work
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renew-job", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._work()
            except Retryable as error:
                log.warning("Lease of a job is not renewed for now", error=str(error))


def _job_id(message: Received) -> int:
    try:
        job_id = json.loads(message.body)["job_id"]
    except (ValueError, LookupError, TypeError):
        job_id = None
    if not isinstance(job_id, int):
        raise Permanent("a message in a queue of jobs names no job")
    return job_id
