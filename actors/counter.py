"""A shard of the counting: gathers deliveries of many workers into one transaction a tenant, then tells Redis.

An answer means that the delivery is durable in PostgreSQL. Redis gets absolute numbers afterwards; when it does not
take them, nothing is lost: the shard rebuilds it from PostgreSQL as soon as it answers again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from schema.errors import Retryable
from schema.events import Committed, Delivery
from schema.ports import Sink, Store

log = structlog.get_logger(__name__)

GROUP_LIMIT = 512
HEAL_EVERY_S = 1.0


class LiveTotals(Sink, Protocol):
    """The live copy of the totals, which may be lost at any time."""

    def heal(self, *, force: bool) -> bool:
        """Rebuild the copy from the store where it is empty, or in any case; True if it was rebuilt.

        Raises:
            Retryable: it cannot be reached, or the store cannot.
        """
        ...


@dataclass(kw_only=True, slots=True, eq=False)
class _Waiting:
    deliveries: Sequence[Delivery]
    since_s: float
    answer: asyncio.Future[tuple[int, ...]]


class CountingShard:
    """Group commit for the cameras of one shard. One event loop; the store is called in a thread, one at a time."""

    def __init__(
        self,
        store: Store,
        live: LiveTotals,
        *,
        on_committed: Callable[[Committed, float], None] = lambda _committed, _lag_s: None,
    ) -> None:
        """Make an idle shard.

        Args:
            store: the truth.
            live: told after every commit.
            on_committed: called with what was committed and how long the oldest delivery waited, for metrics.
        """
        self._store = store
        self._live = live
        self._on_committed = on_committed
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._live_is_down = False
        # Commits whose news the live totals may lack. The first stands for what a former life of this shard committed.
        self._unsure = 1
        self._healed = 0

    async def commit(self, deliveries: Sequence[Delivery]) -> tuple[int, ...]:
        """Make deliveries durable; at most one lease epoch a camera.

        Returns:
            Ids of the cameras whose lease is over: the caller drops them.

        Raises:
            StoreUnavailable: of some tenant nothing was stored; committing the same again is safe.
        """
        answer: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(deliveries=deliveries, since_s=time.monotonic(), answer=answer))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())  # begins when all calls that came together are in
        return await answer

    async def keep_healing(self) -> None:
        """Watch over the live totals until cancelled: a Redis that came back empty or missed news is rebuilt."""
        while True:
            with suppress(Retryable):
                unsure = self._unsure
                if await asyncio.to_thread(self._live.heal, force=unsure > self._healed):
                    self._healed, self._live_is_down = unsure, False
                    log.info("Live totals rebuilt")
            await asyncio.sleep(HEAL_EVERY_S)

    async def _flush(self) -> None:
        while self._waiting:
            # What arrives while a commit runs shares the next one: no fixed window makes a lonely crossing wait.
            group = self._next_group()
            try:
                await self._commit_together(group)
            except Retryable as error:
                _tell(group, error)
            except Exception:
                # One of them cannot be stored: it alone must fail, not its company.
                log.exception("Group cannot be stored, storing one by one", group=len(group))
                for waiting in group:
                    await self._commit_alone(waiting)

    async def _commit_together(self, group: Sequence[_Waiting]) -> None:
        deliveries = [delivery for waiting in group for delivery in waiting.deliveries]
        refused: set[int] = set()
        for tenant_id in sorted({delivery.tenant_id for delivery in deliveries}):
            own = [delivery for delivery in deliveries if delivery.tenant_id == tenant_id]
            committed = await asyncio.to_thread(self._store_and_tell, own)
            self._on_committed(committed, time.monotonic() - min(waiting.since_s for waiting in group))
            refused.update(committed.refused_camera_ids)
        for waiting in group:
            own = {delivery.camera_id for delivery in waiting.deliveries}
            if not waiting.answer.done():
                waiting.answer.set_result(tuple(sorted(own & refused)))

    async def _commit_alone(self, waiting: _Waiting) -> None:
        try:
            await self._commit_together([waiting])
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must hear it and not wait for ever
            _tell([waiting], error)

    def _next_group(self) -> list[_Waiting]:
        """Oldest first, as many as fit, one lease epoch a camera: so a refusal says whose it is."""
        group: list[_Waiting] = []
        later: list[_Waiting] = []
        leases: dict[int, int] = {}
        for waiting in self._waiting:
            own = {delivery.camera_id: delivery.lease_epoch for delivery in waiting.deliveries}
            full = sum(len(member.deliveries) for member in group) + len(waiting.deliveries) > GROUP_LIMIT
            foreign = any(leases.get(camera_id, lease) != lease for camera_id, lease in own.items())
            # Whoever comes after one that has to wait waits too, or a camera's deliveries would overtake each other.
            if group and (later or full or foreign):
                later.append(waiting)
            else:
                group.append(waiting)
                leases |= own
        self._waiting = later
        return group

    def _store_and_tell(self, deliveries: Sequence[Delivery]) -> Committed:
        try:
            committed = self._store.commit(deliveries)
        except Retryable:
            self._unsure += 1  # the connection may have died in the middle of COMMIT, which then took place
            raise
        if committed.crossings or committed.totals:
            self._tell_live(committed)
        return committed

    def _tell_live(self, committed: Committed) -> None:
        """Pass the news on. Once that failed, wait for the healing: every commit would pay a time-out."""
        if not self._live_is_down:
            try:
                self._live.publish(committed)
            except Retryable as error:
                self._live_is_down = True
                log.warning("Live totals missed news, will be rebuilt", error=str(error))
            else:
                return
        self._unsure += 1


def _tell(group: Sequence[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
