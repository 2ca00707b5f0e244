"""Jobs as the workers see them: taken under a lease, done once.

Sessions are the system's (``across_tenants``): a worker does the jobs of all tenants. Times are PostgreSQL's clock, so
workers need not agree on theirs.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.jobs import Job, Kind
from schema.queries.jobs import TELL, get
from schema.tenants import DEFAULT_TENANT_ID


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Somebody else has the job, for at least this long."""

    for_s: float
    lease_epoch: int


def claim(session: Session, job_id: int, *, holder: str, ttl_s: float) -> Job | Held | None:
    """Take a job that waits, or whose holder did not renew its lease: every earlier lease is over.

    Returns:
        The job, with the epoch that everything said about it needs from now on; who else has it; or None where
        nothing is to be done now: it has ended, is not due yet, or never was.
    """
    if session.execute(_CLAIM, {"id": job_id, "holder": holder, "ttl_s": ttl_s}).one_or_none() is not None:
        return get(session, job_id)
    held = session.execute(_HELD, {"id": job_id}).one_or_none()
    return None if held is None else Held(for_s=float(held.for_s), lease_epoch=held.lease_epoch)


def renew(session: Session, job: Job, *, ttl_s: float, progress: float, message: str) -> bool:
    """Prolong the lease and say how far it is; False if the job is no longer the caller's."""
    found = session.execute(
        _RENEW,
        {"id": job.id, "epoch": job.lease_epoch, "ttl_s": ttl_s, "progress": progress, "message": message},
    )
    return found.one_or_none() is not None


def complete(session: Session, job: Job, result: Mapping[str, Any]) -> bool:
    """The job is done; False if it is no longer the caller's, and nothing was changed."""
    given = {"id": job.id, "epoch": job.lease_epoch, "result": json.dumps(result)}
    return session.execute(_COMPLETE, given).one_or_none() is not None


def fail(session: Session, job: Job, error: str) -> bool:
    """The job cannot be done, for this reason; returns as ``complete``."""
    given = {"id": job.id, "epoch": job.lease_epoch, "error": error}
    return session.execute(_FAIL, given).one_or_none() is not None


def put_back(session: Session, job: Job, *, error: str, after_s: float, passing: bool) -> bool:
    """Let the job be tried again after some time; returns as ``complete``.

    Args:
        session: the system's.
        job: as it was claimed.
        error: why this attempt ended.
        after_s: seconds from now.
        passing: a failure that passes by itself: it does not count as an attempt.
    """
    given = {"id": job.id, "epoch": job.lease_epoch, "error": error, "after_s": after_s, "passing": int(passing)}
    return session.execute(_PUT_BACK, given).one_or_none() is not None


def tell_due(session: Session) -> int:
    """Put the messages of all jobs into the outbox that are to be told anew and are due; returns how many."""
    ids = list(session.scalars(_DUE))
    if ids:
        session.execute(TELL, {"ids": ids})
    return len(ids)


def untaken(session: Session, *, for_s: float) -> set[Kind]:
    """Kinds of jobs that nobody has taken up so long after they were told, or after their lease expired.

    Their messages may wait behind others, or be lost: the broker's queues tell which. As long as messages for jobs lie
    in the outbox, none is given.
    """
    return set(session.scalars(_UNTAKEN_KINDS, {"for_s": for_s}))


def tell_again(session: Session, kinds: Collection[Kind], *, for_s: float) -> int:
    """Put the messages of such jobs, as ``untaken`` finds them, into the outbox again; returns how many."""
    ids = list(session.scalars(_UNTAKEN, {"for_s": for_s, "kinds": list(kinds)}))
    if ids:
        session.execute(TELL, {"ids": ids})
    return len(ids)


def request_periodic(session: Session, kind: Kind, *, key: str) -> bool:
    """Request a job without arguments, unless one was requested under this key, or one of its kind is still open.

    Such jobs do the work of all tenants, and belong to the first one.

    Returns:
        Whether it was requested.
    """
    given = {"kind": kind, "key": key, "tenant_id": DEFAULT_TENANT_ID}
    ids = list(session.scalars(_PERIODIC, given))
    if ids:
        session.execute(TELL, {"ids": ids})
    return bool(ids)


def forget(session: Session, *, days: int, limit: int = 1000) -> int:
    """Delete jobs that ended so long ago, oldest first, not more than ``limit``; returns how many."""
    return len(session.scalars(_FORGET, {"days": days, "limit": limit}).all())


def waiting(session: Session) -> dict[Kind, tuple[int, int]]:
    """By kind, how many jobs wait and how many are being done."""
    return {row.kind: (row.queued, row.running) for row in session.execute(_WAITING)}


_CLAIM: Final = text(
    "update jobs set state = 'running', holder = :holder, lease_epoch = lease_epoch + 1, attempts = attempts + 1,"
    " lease_expires_at = clock_timestamp() + make_interval(secs => :ttl_s),"
    " started_at = coalesce(started_at, clock_timestamp())"
    " where id = :id and (state = 'queued' and available_at <= clock_timestamp()"
    " or state = 'running' and lease_expires_at <= clock_timestamp()) returning id"
)
_HELD: Final = text(
    "select lease_epoch, extract(epoch from lease_expires_at - clock_timestamp()) as for_s from jobs"
    " where id = :id and state = 'running'"
)
_MINE = "where id = :id and state = 'running' and lease_epoch = :epoch returning id"
_RENEW: Final = text(
    "update jobs set lease_expires_at = clock_timestamp() + make_interval(secs => :ttl_s),"  # noqa: S608 - our own words
    f" progress = :progress, message = :message {_MINE}"
)
_COMPLETE: Final = text(
    "update jobs set state = 'done', finished_at = clock_timestamp(), progress = 1, error = null,"  # noqa: S608 - our own words
    f" result = cast(:result as jsonb) {_MINE}"
)
_FAIL: Final = text(f"update jobs set state = 'failed', finished_at = clock_timestamp(), error = :error {_MINE}")  # noqa: S608 - our own words
_PUT_BACK: Final = text(
    "update jobs set state = 'queued', told_at = null, holder = null, lease_expires_at = null, error = :error,"  # noqa: S608 - our own words
    " available_at = clock_timestamp() + make_interval(secs => :after_s),"
    f" attempts = attempts - :passing, retries = retries + :passing {_MINE}"
)

_DUE: Final = text(
    "select id from jobs where state = 'queued' and told_at is null and available_at <= clock_timestamp()"
    " order by id limit 1000 for update skip locked"
)
# Both conditions on the outbox, because its index knows the first one.
_IS_UNTAKEN = (
    " (state = 'queued' and available_at < clock_timestamp() - make_interval(secs => :for_s)"
    " or state = 'running' and lease_expires_at < clock_timestamp() - make_interval(secs => :for_s))"
    " and told_at < clock_timestamp() - make_interval(secs => :for_s)"
    " and not exists (select from outbox where exchange <> 'turnstile.events' and exchange = 'turnstile.jobs')"
)
_UNTAKEN_KINDS: Final = text(f"select distinct kind from jobs where {_IS_UNTAKEN}")  # noqa: S608 - our own words
_UNTAKEN: Final = text(
    f"select id from jobs where kind = any(:kinds) and {_IS_UNTAKEN}"  # noqa: S608 - our own words
    " order by id limit 1000 for update skip locked"
)
_PERIODIC: Final = text(
    "insert into jobs (tenant_id, kind, key) select :tenant_id, :kind, :key"
    " where not exists (select from jobs where tenant_id = :tenant_id and kind = :kind"
    " and state in ('queued', 'running'))"
    " on conflict (tenant_id, key) where key is not null do nothing returning id"
)
_FORGET: Final = text(
    "delete from jobs where id in (select id from jobs where finished_at < now() - make_interval(days => :days)"
    " order by finished_at limit :limit for update skip locked) returning id"
)
_WAITING: Final = text(
    "select kind, count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running')"
    " as running from jobs where state in ('queued', 'running') group by kind"
)
