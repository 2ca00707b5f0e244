"""Sees to it that every job has a message, and that periodic ones are requested.

PostgreSQL holds the jobs, RabbitMQ only the messages that wake workers for them. Should RabbitMQ lose what it holds,
jobs would wait for ever; so whatever nobody takes up is told again once its queue is seen to be empty. (While messages
of its kind still wait, its own may be among them, and telling it again would only make the queue longer.)

Any number of keepers may run: rows are locked while they are told of, and the key of a periodic job is unique.
"""

from collections.abc import Collection
from typing import Final

import structlog

from actors.jobs.schedule import Schedule
from actors.queue.topology import declare, depths, parameters_of
from schema.database import across_tenants, open_engine
from schema.jobs import Kind
from schema.names import jobs_queue
from schema.queries import job_leases

log = structlog.get_logger(__name__)

STEP_S: Final = 1.0
UNTAKEN_S: Final = 15.0
"""A job that nobody took up for this long may have lost its message. Longer than a lease."""
KEEP_DAYS: Final = 30
"""How long jobs that have ended can be looked at."""


class JobKeeper:
    """``step`` is called about every ``STEP_S`` seconds, by one thread."""

    def __init__(self, dsn: str, amqp_url: str, schedule: Schedule, *, untaken_s: float = UNTAKEN_S) -> None:
        """Connect when first needed."""
        self._engine = open_engine(dsn, pool_size=1)
        self._parameters = parameters_of(amqp_url)
        self._schedule = schedule
        self._untaken_s = untaken_s
        self._asked: dict[Kind, str] = {}

    def step(self, now_ns: int) -> None:
        """Do what is due.

        Args:
            now_ns: the time, for the schedule.

        Raises:
            StoreUnavailable: PostgreSQL or RabbitMQ does not answer; the next step does it.
            Permanent: RabbitMQ has our queues with other settings.
        """
        for occasion in self._schedule.due(now_ns, self._asked):
            with across_tenants(self._engine) as session:
                requested = job_leases.request_periodic(session, occasion.kind, key=occasion.key)
            self._asked[occasion.kind] = occasion.key
            if requested:
                log.info("Periodic job requested", key=occasion.key)
        with across_tenants(self._engine) as session:
            job_leases.tell_due(session)
            job_leases.forget(session, days=KEEP_DAYS)
            untaken = job_leases.untaken(session, for_s=self._untaken_s)
        lost = self._without_messages(untaken)
        if lost:
            with across_tenants(self._engine) as session:
                told = job_leases.tell_again(session, lost, for_s=self._untaken_s)
            log.warning("Jobs had lost their messages, told again", kinds=sorted(lost), jobs=told)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _without_messages(self, kinds: Collection[Kind]) -> set[Kind]:
        if not kinds:
            return set()
        declare(self._parameters)
        found = depths(self._parameters, [jobs_queue(kind) for kind in kinds])
        return {kind for kind in kinds if found[jobs_queue(kind)].ready == 0}
