"""Counts over time, each beside the time in which its camera really was watched."""

import time
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from schema.errors import BadInput
from schema.queries.counts import SECONDS, CountBucket, Resolution
from schema.tables import ZoneRow
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_datetime
from serve_app.api import V1
from serve_app.api.backend import OpenBackend
from serve_app.api.inputs import CameraFilter, LastHour, RuleFilter, Span
from serve_app.api.lookup import find_camera

router = APIRouter(prefix=f"{V1}/counts", tags=["counts"])

MAX_BUCKETS = 30_000
"""Buckets of all rules together in one answer: a year of three lines' hours, or three weeks of one line's minutes."""

_EXAMPLE = {
    "camera": "lobby",
    "rule": "door",
    "kind": "line",
    "from": "2026-11-23T09:00:00Z",
    "to": "2026-11-23T09:01:00Z",
    "count_in": 3,
    "count_out": 1,
    "effective_in": 2,
    "effective_out": 0,
    "appeared": 0,
    "lost": 0,
    "dwell_s": 0.0,
    "covered_s": 60.0,
    "coverage_ratio": 1.0,
}


class Bucket(BaseModel):
    """What one line or zone counted in ``from`` <= time < ``to``.

    ``covered_s`` is how many of these seconds the camera was watched, ``coverage_ratio`` the share of those that have
    passed: a count of 0 beside a coverage of 0 says nothing. ``appeared`` and ``lost`` are people first or last seen
    inside a zone; ``dwell_s`` is how long those who left it had stayed, summed.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    camera: str
    rule: str
    kind: Literal["line", "zone"]
    from_: datetime = Field(alias="from")
    to: datetime
    count_in: int
    count_out: int
    effective_in: int
    effective_out: int
    appeared: int
    lost: int
    dwell_s: float
    covered_s: float
    coverage_ratio: float | None


class Counts(BaseModel):
    """Buckets in order of camera, rule and time."""

    resolution: Resolution
    buckets: list[Bucket]


@router.get("", summary="Counts over time")
def get_counts(
    backend: OpenBackend,
    span: LastHour,
    camera: CameraFilter = None,
    zone: RuleFilter = None,
    resolution: Annotated[
        Resolution, Query(description="Length of a bucket, of UTC; weeks begin on Monday.")
    ] = "minute",
    fill: Annotated[bool, Query(description="Give buckets in which nothing was counted, too.")] = True,
) -> Counts:
    """Raw and effective counts of whole buckets that touch the time asked for, all versions of a line together."""
    now_ns = time.time_ns()
    with backend.reading(span.to_ns, one_snapshot=True) as session:
        camera_ids = None if camera is None else [find_camera(session, camera).id]
        rules = None if zone is None else [zone]
        _check_size(session, span, resolution, camera_ids, rules)
        found = backend.counts.series(
            session,
            DEFAULT_TENANT_ID,
            from_ns=span.from_ns,
            to_ns=span.to_ns,
            resolution=resolution,
            camera_ids=camera_ids,
            rules=rules,
            fill=fill,
        )
    return Counts(resolution=resolution, buckets=[_bucket(bucket, now_ns) for one in found for bucket in one.buckets()])


def _check_size(
    session: Session, span: Span, resolution: Resolution, camera_ids: list[int] | None, rules: list[str] | None
) -> None:
    """Refuse an answer that would be too long, before it is read."""
    named = select(ZoneRow.camera_id, ZoneRow.name).distinct()
    if camera_ids is not None:
        named = named.where(ZoneRow.camera_id.in_(camera_ids))
    if rules is not None:
        named = named.where(ZoneRow.name.in_(rules))
    lines = session.scalar(select(func.count()).select_from(named.subquery())) or 0
    buckets = ((span.to_ns - span.from_ns) // (SECONDS[resolution] * 10**9) + 2) * max(lines, 1)
    if buckets > MAX_BUCKETS:
        raise BadInput(
            f"that is {buckets} buckets and {MAX_BUCKETS} is the most: ask for less time, a longer resolution, "
            "or one camera or zone"
        )


def _bucket(bucket: CountBucket, now_ns: int) -> Bucket:
    totals = bucket.totals
    passed_s = (min(bucket.to_ns, now_ns) - bucket.from_ns) / 1e9
    return Bucket.model_validate(
        {
            "camera": bucket.camera,
            "rule": bucket.rule,
            "kind": bucket.kind,
            "from": to_datetime(bucket.from_ns),
            "to": to_datetime(bucket.to_ns),
            "count_in": totals.count_in,
            "count_out": totals.count_out,
            "effective_in": totals.effective_in,
            "effective_out": totals.effective_out,
            "appeared": totals.appeared,
            "lost": totals.lost,
            "dwell_s": round(totals.dwell_s, 3),
            "covered_s": round(bucket.covered_s, 3),
            "coverage_ratio": min(1.0, round(bucket.covered_s / passed_s, 4)) if passed_s > 0 else None,
        }
    )
