"""The query API as one FastAPI application. It knows nothing of Ray: ``deployment`` puts it on Serve."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from schema.settings import StorageSettings
from serve_app.api import (
    cameras,
    counts,
    crossings,
    evidence,
    health,
    jobs,
    live,
    occupancy,
    page,
    problems,
    totals,
    zones,
)
from serve_app.api.backend import open_backend
from serve_app.api.metrics import ApiMetrics, MeasureRequests
from serve_app.api.settling import settle

_DESCRIPTION = """
Counts of people crossing lines and staying in zones, beside the time in which each camera really was watched.

- Times are ISO 8601 in UTC. Coordinates are fractions of the picture, x to the right, y downwards.
- `raw` counts keep every crossing; `effective` ones leave out people who turned back.
- Every error is a problem (RFC 9457) whose `detail` is one sentence.
- Live numbers come by WebSocket at `/api/v1/live`; its messages are described under **live**.
- There is no sign-in yet: whoever reaches this address may change everything, so it listens on loopback only.
"""


def build_api(
    *, dsn: str, redis_url: str, storage: StorageSettings, replica_dsns: Sequence[str] = (), pool_size: int = 8
) -> FastAPI:
    """Make the application; connections are opened when it starts.

    Args:
        dsn: PostgreSQL's address.
        redis_url: Redis's address.
        storage: where files are.
        replica_dsns: PostgreSQL's replicas, if there are any.
        pool_size: requests that may work on the database at once; others wait.

    Raises:
        BadInput: an address has an impossible form.
    """
    metrics = ApiMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_backend(
            dsn=dsn,
            replica_dsns=replica_dsns,
            redis_url=redis_url,
            storage=storage,
            pool_size=pool_size,
            metrics=metrics,
        ) as backend:
            app.state.backend = backend
            settle()
            yield

    app = FastAPI(
        title="Turnstile",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        responses={"4XX": {"model": problems.Problem, "content": {problems.MEDIA_TYPE: {}}}},
    )
    problems.install(app)
    app.add_middleware(MeasureRequests, metrics=metrics)
    for part in (cameras, zones, counts, totals, crossings, evidence, occupancy, live, jobs, health, page):
        app.include_router(part.router)
    return app
