"""Keeps the live hub true: follows Redis's channel, and heals from PostgreSQL whatever the channel did not say."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from sqlalchemy.exc import SQLAlchemyError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from schema.cache.families import live_channel
from schema.errors import Retryable
from schema.events import Committed
from schema.queries.totals import LiveRule
from schema.tenants import DEFAULT_TENANT_ID
from serve_app.live import LiveHub

Load = Callable[[], Sequence[LiveRule]]
Decode = Callable[[bytes], Committed]

_AWAY = (Retryable, SQLAlchemyError)

_log = structlog.get_logger(__name__)


class LiveFeed:
    """Feeds one hub.

    While Redis is away, totals are read from the store every second: clients then get totals without crossings. When
    it is back, everyone starts over from a snapshot.

    Args:
        hub: what is fed; it lives on the loop that runs ``run``.
        redis: a client of the Redis that the live channel is on. It must not retry by itself: a subscription that comes
            back silently has a gap that nobody sees.
        load: reads all rules with their totals from PostgreSQL; blocks, so it runs in a thread.
        decode: reads one message of the channel.
        refresh_s: how often to compare with PostgreSQL while the channel is there.
        poll_s: how often while it is not.
    """

    def __init__(
        self,
        hub: LiveHub,
        *,
        redis: Redis,
        load: Load,
        decode: Decode,
        refresh_s: float = 5.0,
        poll_s: float = 1.0,
    ) -> None:
        self._hub = hub
        self._redis = redis
        self._load = load
        self._decode = decode
        self._refresh_s = refresh_s
        self._poll_s = poll_s
        self._listening = False
        self._retired: set[int] = set()

    @property
    def listening(self) -> bool:
        """Whether news comes from Redis; if not, it is polled from PostgreSQL."""
        return self._listening

    async def run(self) -> None:
        """Feed the hub until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._keep_fresh())

    async def _listen(self) -> None:
        subscribing = AsyncRetrying(
            retry=retry_if_exception_type((RedisError, OSError, *_AWAY)),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
        )
        while True:
            channel = self._redis.pubsub(ignore_subscribe_messages=True)
            try:
                await subscribing(self._subscribe, channel)
                await self._follow(channel)
            except (RedisError, OSError) as error:
                self._listening = False
                _log.warning("The live channel is away, totals are polled", error=type(error).__name__)
            finally:
                await channel.aclose()

    async def _subscribe(self, channel: PubSub) -> None:
        await channel.subscribe(live_channel(DEFAULT_TENANT_ID))
        # First subscribe, then read the store: what is committed in between comes through the channel.
        self._hub.start_over(await asyncio.to_thread(self._load))
        self._listening = True
        _log.info("Following the live channel")

    async def _follow(self, channel: PubSub) -> None:
        asked = False
        while True:
            message = await channel.get_message(timeout=self._refresh_s)
            if message is not None:
                asked = False
                if message["type"] == "message":
                    await self._pass_on(message["data"])
            elif asked:
                raise RedisTimeout("no answer to a ping")
            else:
                # Nothing said for a while: find out whether the other side is there at all.
                await channel.ping()
                asked = True

    async def _pass_on(self, message: bytes) -> None:
        try:
            committed = self._decode(message)
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("A message of the live channel was not understood", error=repr(error))
            return
        if self._hub.strangers(committed) - self._retired:
            await self._refresh()
            # News of removed rules may go on for a while: they must not make every message read the store.
            self._retired |= self._hub.strangers(committed)
        self._hub.apply(committed)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_s if self._listening else self._poll_s)
            self._retired.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            rules = await asyncio.to_thread(self._load)
        except _AWAY as error:
            _log.warning("The live totals could not be compared with the store", error=type(error).__name__)
        else:
            self._hub.refresh(rules)
