"""What every camera has counted today, for a dashboard that asks again and again."""

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from schema.queries import today, totals
from schema.queries.today import RuleDay, crossings_of
from schema.queries.totals import LiveRule
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS
from serve_app.api import V1
from serve_app.api.backend import Backend, OpenBackend

router = APIRouter(prefix=f"{V1}/totals", tags=["counts"])


class CameraToday(BaseModel):
    """One camera since midnight UTC, whatever versions its lines and zones have had.

    Counts are of its lines. ``entered`` and ``left`` are people who came into its zones and went out of them;
    ``occupancy`` is how many are in its zones now, as ``/occupancy`` says it.
    """

    camera: str
    camera_id: int
    count_in: int = 0
    count_out: int = 0
    effective_in: int = 0
    effective_out: int = 0
    entered: int = 0
    left: int = 0
    occupancy: int = 0


class Today(BaseModel):
    """Cameras with at least one line or zone in force, by name."""

    day: date
    cameras: list[CameraToday]


@router.get("/today", summary="Totals of today")
async def get_today(backend: OpenBackend) -> Today:
    """In and out of every camera since midnight UTC, as new as the live WebSocket."""
    return await run_in_threadpool(_today, backend, time.time_ns())


def _today(backend: Backend, now_ns: int) -> Today:
    day = now_ns // DAY_NS

    def load(rule_ids: Collection[int] | None) -> Sequence[RuleDay]:
        with backend.transaction() as session:
            return today.day_totals(session, day, rule_ids)

    rules = backend.hub.rules() or _stored(backend)
    known = {rule.totals.rule_id: crossings_of(rule.totals.totals) for rule in rules}
    sums = backend.day_totals.read(DEFAULT_TENANT_ID, day, known, load)
    return Today(day=datetime.fromtimestamp(now_ns // 10**9, UTC).date(), cameras=_by_camera(rules, sums))


def _stored(backend: Backend) -> list[LiveRule]:
    with backend.transaction() as session:
        return totals.live(session)


def _by_camera(rules: Iterable[LiveRule], sums: Iterable[RuleDay]) -> list[CameraToday]:
    cameras: dict[int, CameraToday] = {}
    for rule in rules:
        camera_id = rule.totals.camera_id
        if camera_id not in cameras:
            cameras[camera_id] = CameraToday.model_construct(camera=rule.camera, camera_id=camera_id)
        if rule.kind == "zone":
            cameras[camera_id].occupancy += rule.totals.occupancy
    for counted in sums:
        camera = cameras.get(counted.camera_id)
        if camera is None:
            continue
        if counted.kind == "line":
            camera.count_in += counted.count_in
            camera.count_out += counted.count_out
            camera.effective_in += counted.effective_in
            camera.effective_out += counted.effective_out
        else:
            camera.entered += counted.count_in
            camera.left += counted.count_out
    return sorted(cameras.values(), key=lambda camera: camera.camera)
