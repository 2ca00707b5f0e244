"""Lending cameras to workers. Times are PostgreSQL's clock, so holders need not agree on theirs."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from schema.leases import Lease
from schema.times import to_ns


def grant(session: Session, camera_id: int, *, holder: str, ttl_s: float) -> Lease:
    """Lend a camera anew, whoever held it: every earlier lease is over from this transaction's commit.

    It waits for commits under the old lease that are under way, so their crossings lie before ``granted_ns``.
    """
    row = session.execute(
        text(
            "insert into leases (camera_id, holder, epoch, granted_at, expires_at)"
            " values (:camera_id, :holder, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => :ttl_s))"
            " on conflict (camera_id) do update set holder = excluded.holder, epoch = leases.epoch + 1,"
            " granted_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => :ttl_s)"
            " returning camera_id, holder, epoch, granted_at, expires_at"
        ),
        {"camera_id": camera_id, "holder": holder, "ttl_s": ttl_s},
    ).one()
    return _lease(row)


def renew(session: Session, epochs: Mapping[int, int], *, ttl_s: float) -> set[int]:
    """Prolong leases, given as epoch by camera id; those that were granted to someone else since are left alone.

    Returns:
        The camera ids whose lease is still in force.
    """
    held = session.scalars(
        text(
            "with held as (select camera_id from leases"
            " join unnest(cast(:camera_ids as bigint[]), cast(:epochs as bigint[])) as mine (camera_id, epoch)"
            " using (camera_id, epoch) order by camera_id for update of leases)"
            " update leases set expires_at = clock_timestamp() + make_interval(secs => :ttl_s)"
            " from held where leases.camera_id = held.camera_id returning leases.camera_id"
        ),
        {"camera_ids": list(epochs), "epochs": list(epochs.values()), "ttl_s": ttl_s},
    )
    return set(held)


def end(session: Session, epochs: Mapping[int, int]) -> None:
    """Let leases, given as epoch by camera id, expire now: their holder is known to have stopped."""
    renew(session, epochs, ttl_s=0)


def in_force(session: Session, camera_ids: Collection[int] | None = None) -> list[Lease]:
    """Leases that have not expired, of these cameras or of all."""
    return _select(session, "expires_at > clock_timestamp()", camera_ids)


def expired(session: Session, camera_ids: Collection[int] | None = None) -> list[Lease]:
    """Leases that nobody renewed in time, of these cameras or of all."""
    return _select(session, "expires_at <= clock_timestamp()", camera_ids)


def _select(session: Session, condition: str, camera_ids: Collection[int] | None) -> list[Lease]:
    rows = session.execute(
        text(
            f"select * from leases where {condition}"  # noqa: S608 - our own words
            " and (cast(:camera_ids as bigint[]) is null or camera_id = any(:camera_ids)) order by camera_id"
        ),
        {"camera_ids": None if camera_ids is None else list(camera_ids)},
    )
    return [_lease(row) for row in rows]


def _lease(row: Row[Any]) -> Lease:
    return Lease(
        camera_id=row.camera_id,
        holder=row.holder,
        epoch=row.epoch,
        granted_ns=to_ns(row.granted_at),
        expires_ns=to_ns(row.expires_at),
    )
