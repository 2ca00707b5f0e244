"""What the routes work with: connections that are opened when the API starts and closed when it stops."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from schema.cache.client import Cache
from schema.cache.counts import CachedCounts
from schema.cache.flags import Flags
from schema.cache.today import DayTotals
from schema.database.routing import Database, kind_of
from schema.live import decode
from schema.ports import FileStore
from schema.queries.totals import LiveRule, live
from schema.settings import StorageSettings
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers.history import ArchivedCounts
from serve_app.api.metrics import ApiMetrics
from serve_app.api.store_metrics import StoreCollector
from serve_app.live import LiveHub
from serve_app.live_feed import LiveFeed

REDIS_TIMEOUT_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """The API's connections. ``feeding`` is the task that keeps ``hub`` true; it ends only with the API."""

    dsn: str
    database: Database
    redis: Redis
    files: FileStore
    hub: LiveHub
    feed: LiveFeed
    feeding: asyncio.Task[None]
    metrics: ApiMetrics
    cache: Cache
    counts: CachedCounts
    day_totals: DayTotals

    def transaction(self) -> AbstractContextManager[Session]:
        """A session in one transaction on the primary. It blocks, so it belongs into routes that run in a thread.

        Raises:
            StoreUnavailable: PostgreSQL did not answer.
        """
        return self.database.write(DEFAULT_TENANT_ID)

    def reading(self, to_ns: int | None, *, one_snapshot: bool = False) -> AbstractContextManager[Session]:
        """As ``transaction``, to read what happened until ``to_ns`` (None: until now), from a replica if one may."""
        kind = kind_of(to_ns, now_ns=time.time_ns())
        return self.database.read(DEFAULT_TENANT_ID, kind, one_snapshot=one_snapshot)


@asynccontextmanager
async def open_backend(
    *,
    dsn: str,
    replica_dsns: Sequence[str],
    redis_url: str,
    storage: StorageSettings,
    pool_size: int,
    metrics: ApiMetrics,
) -> AsyncIterator[Backend]:
    """Open everything; nothing has to answer yet, so an API starts while its services are away."""
    # As many threads as connections: a request that has a thread never waits for a connection, and requests beyond
    # that wait their turn in order.
    current_default_thread_limiter().total_tokens = pool_size
    # One more connection for the live feed, so that a full house does not starve it.
    database = Database(dsn, replica_dsns, pool_size=pool_size + 1)
    redis = Redis.from_url(
        redis_url,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=REDIS_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_keepalive=True,
    )
    files = open_storage(storage)
    cache = Cache(redis_url)
    hub = LiveHub()

    def load() -> list[LiveRule]:
        with database.write(DEFAULT_TENANT_ID) as session:
            return live(session)

    feed = LiveFeed(hub, redis=redis, load=load, decode=decode)
    feeding = asyncio.create_task(feed.run(), name="live-feed")
    collector = StoreCollector(database)
    metrics.registry.register(collector)
    try:
        yield Backend(
            dsn=dsn,
            database=database,
            redis=redis,
            files=files,
            hub=hub,
            feed=feed,
            feeding=feeding,
            metrics=metrics,
            cache=cache,
            counts=CachedCounts(
                cache, Flags(cache), archived=ArchivedCounts(files=files), on_answer=metrics.note_answer
            ),
            day_totals=DayTotals(cache),
        )
    finally:
        metrics.registry.unregister(collector)
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding
        await redis.aclose()
        cache.close()
        database.close()


async def _backend(connection: HTTPConnection) -> Backend:
    return connection.app.state.backend


OpenBackend = Annotated[Backend, Depends(_backend)]
