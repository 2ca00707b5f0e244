"""A counting shard with a store and live totals that fail when told to."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from actors.counter import CountingShard
from schema.errors import Permanent, StoreUnavailable
from schema.events import Committed, Delivery, RuleTotals, Totals

NEWS = (RuleTotals(camera_id=1, rule_id=1, rule="door", revision=1, totals=Totals(count_in=1)),)


class FakeStore:
    """Commits whatever it gets, unless ``fail`` raises."""

    def __init__(self, fail: Callable[[Sequence[Delivery]], None] = lambda deliveries: None) -> None:
        self.commits: list[tuple[int, ...]] = []
        self.fail = fail
        self.refused: tuple[int, ...] = ()

    def commit(self, deliveries: Sequence[Delivery]) -> Committed:
        self.fail(deliveries)
        self.commits.append(tuple(delivery.camera_id for delivery in deliveries))
        return Committed(totals=NEWS, refused_camera_ids=self.refused)


class FakeLive:
    """Counts what it is told; ``down`` makes it fail."""

    def __init__(self) -> None:
        self.published = 0
        self.healed: list[bool] = []
        self.down = False

    def publish(self, committed: Committed) -> None:
        if self.down:
            raise StoreUnavailable("Redis is away")
        self.published += 1

    def heal(self, *, force: bool) -> bool:
        if self.down:
            raise StoreUnavailable("Redis is away")
        self.healed.append(force)
        return force


def delivery(camera_id: int, lease_epoch: int = 1) -> Delivery:
    return Delivery(camera_id=camera_id, lease_epoch=lease_epoch, epoch="e", started_ns=0, is_file=False)


def shard(store: FakeStore, live: FakeLive) -> CountingShard:
    return CountingShard(store, live)


async def heal_once(counting: CountingShard, live: FakeLive) -> None:
    """Let the healing look once."""
    task = asyncio.create_task(counting.keep_healing())
    before = len(live.healed)
    while not task.done() and len(live.healed) == before and not live.down:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    task.cancel()


def test_deliveries_that_come_together_share_a_transaction():
    store = FakeStore()

    async def run() -> None:
        counting = shard(store, FakeLive())
        await asyncio.gather(*(counting.commit([delivery(n)]) for n in range(5)))

    asyncio.run(run())
    assert store.commits == [(0, 1, 2, 3, 4)]


def test_two_leases_of_one_camera_do_not_share_a_transaction():
    store = FakeStore()

    async def run() -> None:
        counting = shard(store, FakeLive())
        await asyncio.gather(counting.commit([delivery(1, 1)]), counting.commit([delivery(1, 2)]))

    asyncio.run(run())
    assert store.commits == [(1,), (1,)]


def test_only_the_worker_of_a_refused_camera_hears_of_it():
    store = FakeStore()
    store.refused = (2,)

    async def run() -> list[tuple[int, ...]]:
        counting = shard(store, FakeLive())
        return await asyncio.gather(counting.commit([delivery(1)]), counting.commit([delivery(2)]))

    assert asyncio.run(run()) == [(), (2,)]


def test_a_delivery_that_cannot_be_stored_fails_alone():
    def fail(deliveries: Sequence[Delivery]) -> None:
        if any(one.camera_id == 2 for one in deliveries):
            raise Permanent("a value that no column takes")

    store = FakeStore(fail)

    async def run() -> list[object]:
        counting = shard(store, FakeLive())
        commits = (counting.commit([delivery(n)]) for n in (1, 2, 3))
        return await asyncio.gather(*commits, return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert first == third == ()
    assert isinstance(second, Permanent)
    assert store.commits == [(1,), (3,)]


def test_an_answer_waits_for_the_store_and_not_for_redis():
    store, live = FakeStore(), FakeLive()
    live.down = True

    async def run() -> tuple[int, ...]:
        return await shard(store, live).commit([delivery(1)])

    assert asyncio.run(run()) == ()
    assert store.commits == [(1,)]


def test_a_new_shard_rebuilds_what_a_former_one_may_have_left_untold():
    live = FakeLive()

    async def run() -> None:
        counting = shard(FakeStore(), live)
        await heal_once(counting, live)
        await heal_once(counting, live)

    asyncio.run(run())
    assert live.healed == [True, False]


def test_a_commit_that_may_have_taken_place_after_all_is_made_good():
    def fail(deliveries: Sequence[Delivery]) -> None:
        raise StoreUnavailable("the connection died in COMMIT")

    live = FakeLive()

    async def run() -> None:
        counting = shard(FakeStore(fail), live)
        await heal_once(counting, live)
        with pytest.raises(StoreUnavailable):
            await counting.commit([delivery(1)])
        await heal_once(counting, live)

    asyncio.run(run())
    assert live.healed == [True, True]
