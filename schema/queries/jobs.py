"""Jobs as those see them who request and watch them. The workers' side is ``schema.queries.job_leases``."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from schema.errors import BadInput, NotFound
from schema.jobs import EraseArguments, Job, Kind, State, check_arguments
from schema.names import JOBS_EXCHANGE
from schema.tables import JobRow
from schema.times import to_ns

MAX_LIMIT: Final = 1000


def request(
    session: Session,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    key: str | None = None,
    requested_by: int | None = None,
) -> Job:
    """Store a job and, in the same transaction, the message that wakes a worker for it.

    Args:
        session: of the tenant whose job it is.
        kind: what to do, a key of ``schema.jobs.ARGUMENTS``.
        arguments: as the kind's model takes them.
        key: a second request with the same key, whatever it asks for, gets the first one's job.
        requested_by: the user's id, if a user asked.

    Raises:
        BadInput: there are no such jobs, or the arguments do not fit.
    """
    known, checked = check_arguments(kind, arguments)
    return _store(session, known, checked, key=key, requested_by=requested_by)


def request_erasure(session: Session, arguments: EraseArguments) -> Job:
    """As ``request``: let the running system erase a person of the transaction's tenant.

    Whoever calls this has made sure that it is wanted: it cannot be undone, and whoever may request jobs may not ask
    for it.
    """
    return _store(session, "erase", arguments.model_dump(), key=None, requested_by=None)


def _store(
    session: Session, kind: Kind, arguments: Mapping[str, Any], *, key: str | None, requested_by: int | None
) -> Job:
    given = {"kind": kind, "arguments": json.dumps(arguments), "key": key, "requested_by": requested_by}
    job_id = session.scalar(_INSERT, given)
    if job_id is None:
        return by_key(session, cast(str, key))
    session.execute(TELL, {"ids": [job_id]})
    return get(session, job_id)


def get(session: Session, job_id: int) -> Job:
    """The job with this id.

    Raises:
        NotFound: there is none.
    """
    row = session.get(JobRow, job_id, populate_existing=True)
    if row is None:
        raise NotFound(f"there is no job {job_id}: list the jobs to see which there are")
    return of_row(row)


def by_key(session: Session, key: str) -> Job:
    """The job that was requested under this key.

    Raises:
        NotFound: there is none.
    """
    row = session.scalars(select(JobRow).where(JobRow.key == key)).one_or_none()
    if row is None:
        raise NotFound(f"there is no job with the key '{key}'")
    return of_row(row)


def listing(
    session: Session,
    *,
    kind: Kind | None = None,
    state: State | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Job]:
    """Jobs, newest first.

    Args:
        session: where to read.
        kind: of this kind only.
        state: in this state only.
        before: with ids below this one: the last of the page before.
        limit: 1..MAX_LIMIT of them.

    Raises:
        BadInput: the limit is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(f"limit {limit} is out of range: ask for 1 to {MAX_LIMIT} jobs")
    query = select(JobRow).order_by(JobRow.tenant_id.desc(), JobRow.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(JobRow.kind == kind)
    if state is not None:
        query = query.where(JobRow.state == state)
    if before is not None:
        query = query.where(JobRow.id < before)
    return [of_row(row) for row in session.scalars(query)]


def cancel(session: Session, job_id: int) -> Job:
    """End a job that is still to be done; a worker that is at it notices within seconds.

    Raises:
        NotFound: there is none.
        BadInput: it has ended already.
    """
    if session.execute(_CANCEL, {"id": job_id}).one_or_none() is None:
        job = get(session, job_id)
        raise BadInput(f"job {job_id} is {job.state} already: there is nothing to cancel")
    return get(session, job_id)


def revive(session: Session, job_id: int) -> bool:
    """Let a job that failed start over, counting its attempts anew; False if it has not failed.

    Its message is taken for told: whoever revives it publishes it.
    """
    return session.execute(_REVIVE, {"id": job_id}).one_or_none() is not None


TELL: Final = text(
    "with told as (update jobs set told_at = clock_timestamp() where id = any(:ids) returning id, tenant_id, kind)"
    " insert into outbox (tenant_id, event_id, exchange, routing_key, body)"
    " select tenant_id, gen_random_uuid(), :exchange, kind, jsonb_build_object('job_id', id, 'kind', kind)"
    " from told order by id"
).bindparams(exchange=JOBS_EXCHANGE)
"""Put the messages of jobs, given as ``ids``, into the outbox."""

_INSERT: Final = text(
    "insert into jobs (kind, arguments, key, requested_by)"
    " values (:kind, cast(:arguments as jsonb), :key, :requested_by)"
    " on conflict (tenant_id, key) where key is not null do nothing returning id"
)
_CANCEL: Final = text(
    "update jobs set state = 'cancelled', finished_at = clock_timestamp()"
    " where id = :id and state in ('queued', 'running') returning id"
)
_REVIVE: Final = text(
    "update jobs set state = 'queued', attempts = 0, retries = 0, finished_at = null, progress = 0, message = '',"
    " available_at = clock_timestamp(), told_at = clock_timestamp() where id = :id and state = 'failed' returning id"
)


def of_row(row: JobRow) -> Job:
    """The row as a value."""
    return Job(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=cast(Kind, row.kind),
        arguments=row.arguments,
        state=cast(State, row.state),
        progress=row.progress,
        message=row.message,
        result=row.result,
        error=row.error,
        attempts=row.attempts,
        retries=row.retries,
        key=row.key,
        requested_by=row.requested_by,
        holder=row.holder,
        lease_epoch=row.lease_epoch,
        created_ns=to_ns(row.created_at),
        started_ns=None if row.started_at is None else to_ns(row.started_at),
        finished_ns=None if row.finished_at is None else to_ns(row.finished_at),
    )
