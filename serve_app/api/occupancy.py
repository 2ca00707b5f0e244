"""How many people are inside now, and everything counted so far."""

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from schema.cache.families import live_channel
from schema.errors import NotFound
from schema.events import Committed
from schema.geometry import Line
from schema.live import encode
from schema.queries import totals
from schema.queries.totals import LiveRule
from schema.tenants import DEFAULT_TENANT_ID
from serve_app.api import V1
from serve_app.api.backend import Backend, OpenBackend
from serve_app.api.inputs import CameraFilter, CameraPath, RuleFilter, RulePath
from serve_app.api.lookup import find_camera, find_rule
from serve_app.live import encode_rule

router = APIRouter(prefix=V1, tags=["occupancy"])


class Now(BaseModel):
    """Totals of one line or zone since this version of it was made.

    ``occupancy`` is a signed sum: everyone who went in, less everyone who went out, and those first or last seen
    inside. It may fall below zero where people were missed; it is never clamped, and a reset leaves an event.
    """

    camera: str
    camera_id: int
    rule: str
    rule_id: int
    kind: Literal["line", "zone"]
    revision: int
    count_in: int
    count_out: int
    effective_in: int
    effective_out: int
    occupancy: int


class Occupancy(BaseModel):
    """``source`` tells where the numbers came from: ``live`` (as committed), or ``store`` while Redis is away."""

    source: Literal["live", "store"]
    rules: list[Now]


class Reset(BaseModel):
    """How many people are really inside, and why this is said."""

    people: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f]*$")] = ""


@router.get("/occupancy", summary="Totals and occupancy now")
async def get_occupancy(backend: OpenBackend, camera: CameraFilter = None, zone: RuleFilter = None) -> Occupancy:
    """Totals so far of the lines and zones in force, as the live WebSocket has them."""
    rules = [rule for rule in backend.hub.rules() if camera in (None, rule.camera) and zone in (None, rule.totals.rule)]
    # What is not known here may be seconds old, or not be there at all: the store knows.
    if not rules:
        rules = await run_in_threadpool(_stored, backend, camera, zone)
    source = "live" if backend.feed.listening else "store"
    return Occupancy(source=source, rules=[Now.model_validate(encode_rule(rule)) for rule in rules])


@router.post("/cameras/{camera}/zones/{zone}/occupancy", summary="Correct the occupancy")
async def reset_occupancy(backend: OpenBackend, camera: CameraPath, zone: RulePath, body: Reset) -> Now:
    """Declare how many people are inside now.

    Counts stay as they are, and a camera event keeps the change and its reason.
    """
    rule = await run_in_threadpool(_reset, backend, camera, zone, body)
    with suppress(RedisError):
        # Tells the live clients at once; without it they hear at the next comparison with the store.
        await backend.redis.publish(live_channel(DEFAULT_TENANT_ID), encode(Committed(totals=(rule.totals,))))
    return Now.model_validate(encode_rule(rule))


def _stored(backend: Backend, camera: str | None, zone: str | None) -> list[LiveRule]:
    with backend.transaction() as session:
        camera_ids = None if camera is None else [find_camera(session, camera).id]
        rules = totals.live(session, camera_ids)
    found = [rule for rule in rules if zone in (None, rule.totals.rule)]
    if zone is not None and not found:
        raise NotFound(f"there is no line or zone '{zone}' in force there: list the zones to see which there are")
    return found


def _reset(backend: Backend, camera: str, zone: str, body: Reset) -> LiveRule:
    with backend.transaction() as session:
        rule = find_rule(find_camera(session, camera), zone)
        changed = totals.reset_occupancy(session, rule.id, people=body.people, reason=body.reason)
    return LiveRule(camera=camera, kind="line" if isinstance(rule, Line) else "zone", totals=changed)
