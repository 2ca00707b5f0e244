"""What every ``Sink`` promises: absolute numbers, at least once, and older news never replaces newer."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from redis import Redis

from actors.sinks.memory import MemorySink
from actors.sinks.redis import RedisSink
from schema.cache.families import BUILT, TOTALS, live_channel
from schema.database import open_engine, transaction
from schema.errors import StoreUnavailable
from schema.events import Committed, Crossing, RuleTotals, Totals
from schema.geometry import Scene, parse_line
from schema.live import decode, decode_totals, encode
from schema.queries import cameras, totals
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID


def news(revision: int, *, rule_id: int = 7, camera_id: int = 3) -> Committed:
    known = RuleTotals(
        camera_id=camera_id,
        rule_id=rule_id,
        rule="door",
        revision=revision,
        totals=Totals(count_in=revision, dwell_s=0.5),
        occupancy_base=-1,
    )
    return Committed(totals=(known,))


@dataclass
class MemoryUnderTest:
    sink: MemorySink

    def totals(self, camera_id: int) -> dict[int, RuleTotals]:
        return {rule_id: known for rule_id, known in self.sink.totals.items() if known.camera_id == camera_id}


@dataclass
class RedisUnderTest:
    sink: RedisSink
    redis: Redis

    def totals(self, camera_id: int) -> dict[int, RuleTotals]:
        return {int(key): decode_totals(value) for key, value in self.redis.hgetall(TOTALS.key(camera_id)).items()}


@pytest.fixture
def redis_sink(services, dsn) -> Iterator[RedisUnderTest]:
    # A database of its own: another part of the run may be using the first one.
    url = urlunsplit(urlsplit(services.redis.url)._replace(path="/9"))
    redis = Redis.from_url(url)
    redis.flushdb()
    sink = RedisSink(url, dsn)
    yield RedisUnderTest(sink, redis)
    sink.close()
    redis.close()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def under_test(request: pytest.FixtureRequest) -> MemoryUnderTest | RedisUnderTest:
    return MemoryUnderTest(MemorySink()) if request.param == "memory" else request.getfixturevalue("redis_sink")


def test_the_newest_totals_are_kept_whatever_order_they_come_in(under_test):
    for revision in (1, 3, 2, 3):
        under_test.sink.publish(news(revision))
    under_test.sink.publish(news(1, rule_id=8))
    under_test.sink.publish(news(5, rule_id=9, camera_id=4))
    assert under_test.totals(3) == {7: news(3).totals[0], 8: news(1, rule_id=8).totals[0]}


def test_news_without_totals_is_fine(under_test):
    under_test.sink.publish(Committed())
    assert under_test.totals(3) == {}


def test_a_message_of_the_live_channel_is_read_exactly_as_it_was_written():
    crossing = Crossing(
        event_id=UUID(int=1),
        camera_id=3,
        epoch="e",
        track_id=4,
        kind="zone",
        rule="hall",
        rule_id=7,
        direction="out",
        cause="lost",
        ordinal=2,
        frame=9,
        occurred_ns=1_800_000_000_123_456_789,
        confirmed_ns=1_800_000_001_123_456_789,
        confidence=1 / 3,
        x=0.1,
        y=0.2,
        undoes=UUID(int=2),
        undoes_ns=1_799_999_999_000_000_001,
        dwell_s=0.1,
    )
    given = Committed(crossings=(crossing,), totals=news(4).totals)
    assert decode(encode(given)) == given


@pytest.mark.integration
def test_redis_tells_the_channel_what_changed(redis_sink: RedisUnderTest):
    with redis_sink.redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(live_channel(DEFAULT_TENANT_ID))
        channel.get_message(timeout=2)
        redis_sink.sink.publish(news(2))
        # Channels know no databases: others may be talking, too.
        messages = (channel.get_message(timeout=2) for _ in range(10))
        assert any(message is not None and decode(message["data"]) == news(2) for message in messages)


@pytest.mark.integration
def test_a_redis_that_came_back_empty_is_rebuilt_once(redis_sink: RedisUnderTest, dsn: str):
    engine = open_engine(dsn)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.add(
            session, Camera(name="a", source="a.mp4", scene=Scene(lines=(parse_line("door=0.5,0,0.5,1"),)))
        )
        known = totals.reset_occupancy(session, camera.scene.lines[0].id, people=4)
    engine.dispose()

    assert redis_sink.sink.heal(force=False)
    assert redis_sink.totals(camera.id) == {known.rule_id: known}
    assert not redis_sink.sink.heal(force=False)

    redis_sink.redis.flushdb()
    assert redis_sink.sink.heal(force=False)
    assert redis_sink.totals(camera.id) == {known.rule_id: known}


@pytest.mark.integration
def test_a_redis_that_started_anew_with_old_data_is_rebuilt(redis_sink: RedisUnderTest):
    redis_sink.sink.heal(force=False)
    redis_sink.redis.set(BUILT.key(), "the run before")
    assert redis_sink.sink.heal(force=False)


def test_a_redis_that_does_not_answer_is_said_to_be_unavailable():
    sink = RedisSink("redis://:secret@127.0.0.1:1/0", "postgresql://127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable) as raised:
        sink.publish(news(1))
    assert "secret" not in str(raised.value)
    with pytest.raises(StoreUnavailable):
        sink.heal(force=True)
    sink.close()
