"""What Redis knows of the totals: a copy that may be lost at any time, and the channel that says what changes."""

import json
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from actors.counting.buckets import buckets
from schema.cache import today
from schema.cache.families import BUILT, TODAY, TOTALS, live_channel
from schema.database import across_tenants, open_engine, transaction
from schema.errors import StoreUnavailable
from schema.events import Bucket, Committed, RuleTotals
from schema.live import encode, encode_totals
from schema.queries import tenants
from schema.queries.totals import live

TIMEOUT_S = 2.0
_AT_ONCE = 500

# Several shards write here, and a rebuild meets news that is newer than what it read: the higher revision stays.
_PUT_AND_TELL = """
for i, key in ipairs(KEYS) do
    local field, revision, value = ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2]), ARGV[3 * i + 3]
    local known = redis.call('HGET', key, field)
    if not known or cjson.decode(known).revision < revision then
        redis.call('HSET', key, field, value)
    end
    redis.call('EXPIRE', key, ARGV[3])
end
return redis.call('PUBLISH', ARGV[1], ARGV[2])
"""


class RedisSink:
    """The sink behind ``schema.ports.Sink`` that keeps absolute totals and tells who listens.

    Beside the totals it adds to the sums of the day (``schema.cache.today``). Safe to call from several threads.
    """

    def __init__(self, redis_url: str, dsn: str) -> None:
        """Connect when first needed.

        Args:
            redis_url: ``redis://…`` or ``rediss://…``.
            dsn: the PostgreSQL that lost totals are read from.
        """
        self._redis: Redis = Redis.from_url(
            redis_url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # Once: a pooled connection may have died with a restart of the server, a fresh one has not.
            retry=Retry(NoBackoff(), 1),
        )
        self._put_and_tell = self._redis.register_script(_PUT_AND_TELL)
        self._add_to_day = self._redis.register_script(today.ADD)
        self._engine = open_engine(dsn, pool_size=1)

    def publish(self, committed: Committed) -> None:
        """Put the totals down and tell the channel, in one round trip.

        Raises:
            StoreUnavailable: it did not arrive; publishing the same again is safe.
        """
        counted = buckets(committed.crossings)
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                if counted:
                    self._add(pipeline, committed, counted)
                # Last: who hears of the news and asks finds everything in place.
                self._tell(pipeline, committed)
                pipeline.execute()
        except RedisError as error:
            raise StoreUnavailable(f"Redis did not take the live totals: {type(error).__name__}") from error

    def heal(self, *, force: bool) -> bool:
        """Rebuild the totals if this Redis has started since they were last built, if that is long ago, or in any case.

        Returns:
            Whether they were rebuilt.

        Raises:
            StoreUnavailable: Redis or PostgreSQL does not answer.
        """
        try:
            run_id = str(self._redis.info("server")["run_id"])
            if not force and self._redis.get(BUILT.key()) == run_id.encode():
                return False
            for tenant_id, totals in self._load().items():
                self._rebuild(tenant_id, totals)
            self._redis.set(BUILT.key(), run_id, ex=BUILT.ttl_s)
        except RedisError as error:
            raise StoreUnavailable(f"Redis cannot be healed: {type(error).__name__}") from error
        return True

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()
        self._engine.dispose()

    def _tell(self, pipeline: Any, committed: Committed) -> None:
        args: list[Any] = [live_channel(committed.tenant_id), encode(committed), TOTALS.ttl_s]
        for totals in committed.totals:
            args += (totals.rule_id, totals.revision, encode_totals(totals))
        self._put_and_tell(
            keys=[TOTALS.key(totals.camera_id) for totals in committed.totals],
            args=args,
            client=pipeline,
        )

    def _add(self, pipeline: Any, committed: Committed, counted: Sequence[Bucket]) -> None:
        changes = today.changes(committed, counted)
        self._add_to_day(
            keys=[TODAY.key(committed.tenant_id, day) for day in changes],
            args=[json.dumps(change) for change in changes.values()],
            client=pipeline,
        )

    def _load(self) -> dict[int, list[RuleTotals]]:
        with across_tenants(self._engine) as session:
            tenant_ids = tenants.ids(session)
        loaded: dict[int, list[RuleTotals]] = {}
        for tenant_id in tenant_ids:
            with transaction(self._engine, tenant_id) as session:
                loaded[tenant_id] = [rule.totals for rule in live(session)]
        return loaded

    def _rebuild(self, tenant_id: int, totals: Sequence[RuleTotals]) -> None:
        for start in range(0, len(totals), _AT_ONCE):
            self.publish(Committed(tenant_id=tenant_id, totals=tuple(totals[start : start + _AT_ONCE])))
