"""Whether the API lives and can serve, and its figures for Prometheus."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from schema.database import across_tenants, migration_status
from schema.errors import BadInput, Retryable
from schema.queries import outbox
from serve_app.api.backend import Backend, OpenBackend
from serve_app.api.problems import Problem, problem_response

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    alive: bool = True


class Check(BaseModel):
    """One thing that the API needs, or (``needed`` false) that is only good to know."""

    ok: bool
    needed: bool = True
    detail: str
    took_ms: float


class Ready(BaseModel):
    """Every check passed."""

    ready: bool = True
    checks: dict[str, Check]


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Alive:
    """Answers without touching anything else, so a restart is called for only when this fails."""
    return Alive()


@router.get("/readyz", summary="Can it serve?", responses={503: {"model": Problem}}, response_model=Ready)
async def readyz(request: Request, backend: OpenBackend) -> Ready | Response:
    """PostgreSQL with its migrations, Redis, and the live feed. The broker's backlog and replicas are only told."""
    probes: dict[str, Probe] = {"postgres": _postgres, "redis": _redis, "live": _live, "rabbitmq": _backlog}
    if backend.database.replicas():
        probes["replicas"] = _replicas
    results = await asyncio.gather(*(_timed(probe, backend) for probe in probes.values()))
    checks = dict(zip(probes, results, strict=True))
    missing = [name for name, check in checks.items() if check.needed and not check.ok]
    if not missing:
        return Ready(checks=checks)
    return problem_response(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "; ".join(f"{name}: {checks[name].detail}" for name in missing),
        checks={name: check.model_dump() for name, check in checks.items()},
        headers={"Retry-After": "1"},
    )


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
def metrics(backend: OpenBackend) -> Response:
    """The API's own figures, and what the store says about crossings, coverage and backlog."""
    return Response(generate_latest(backend.metrics.registry), media_type=CONTENT_TYPE_LATEST)


Probe = Callable[[Backend], Awaitable[tuple[bool, bool, str]]]
"""Gives whether it is well, whether it is needed, and what to say."""


async def _timed(probe: Probe, backend: Backend) -> Check:
    started_s = time.perf_counter()
    ok, needed, detail = await probe(backend)
    return Check(ok=ok, needed=needed, detail=detail, took_ms=round((time.perf_counter() - started_s) * 1000, 1))


async def _postgres(backend: Backend) -> tuple[bool, bool, str]:
    try:
        status = await asyncio.to_thread(migration_status, backend.dsn)
    except BadInput as error:
        return False, True, str(error)
    if not status.is_current:
        return False, True, f"{len(status.pending)} migrations are missing: run 'turnstile db migrate'"
    detail = f"at revision {status.current}"
    if status.too_powerful_login is not None:
        detail += (
            f", but row security does not hold for the superuser '{status.too_powerful_login}': take another login"
        )
    return True, True, detail


async def _redis(backend: Backend) -> tuple[bool, bool, str]:
    try:
        memory = await backend.redis.info("memory")
    except (RedisError, OSError) as error:
        return False, True, f"does not answer ({type(error).__name__}): start it or correct redis_url"
    if not memory["maxmemory"]:
        return True, True, "answers, but has no maxmemory: set one, and maxmemory-policy volatile-lru"
    return True, True, "answers"


async def _live(backend: Backend) -> tuple[bool, bool, str]:
    if backend.feeding.done():
        return False, True, "the live feed has ended: restart the API"
    if not backend.feed.listening:
        return True, True, "totals are polled until Redis is back"
    return True, True, f"{len(backend.hub)} clients"


async def _replicas(backend: Backend) -> tuple[bool, bool, str]:
    found = backend.database.replicas()
    told = (
        f"{replica.place} {'does not answer' if replica.behind_s is None else f'{replica.behind_s:.1f} s behind'}"
        for replica in found
    )
    return all(replica.behind_s is not None for replica in found), False, ", ".join(told)


async def _backlog(backend: Backend) -> tuple[bool, bool, str]:
    def count() -> int:
        with across_tenants(backend.database.primary) as session:
            return sum(outbox.waiting(session).values())

    try:
        waiting = await asyncio.to_thread(count)
    except (Retryable, SQLAlchemyError):
        return False, False, "the backlog is not known"
    return True, False, f"{waiting} messages wait for the broker"
