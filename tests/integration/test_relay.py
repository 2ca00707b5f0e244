import json
import time
from collections.abc import Collection, Iterator
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import Engine, text

from actors.queue.relay import OutboxRelay
from actors.queue.topology import DELIVERY_LIMIT
from actors.sinks.postgres import PostgresStore
from schema.database import across_tenants, open_engine, transaction
from schema.errors import StoreUnavailable
from schema.events import Crossing
from schema.names import CROSSINGS_QUEUE, DEAD_LETTER_QUEUE
from schema.queries import figures
from schema.tenants import DEFAULT_TENANT_ID
from tests.contracts.stores import PostgresUnderTest
from tests.contracts.test_store import crossing, delivery

pytestmark = pytest.mark.integration


@pytest.fixture
def relay(services, dsn: str) -> Iterator[OutboxRelay]:
    relay = OutboxRelay(dsn, services.rabbitmq.url)
    yield relay
    relay.close()


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn, pool_size=2)
    with transaction(engine, DEFAULT_TENANT_ID) as connection:
        connection.execute(text("delete from outbox"))
        connection.execute(text("delete from outbox_crossings"))
    yield engine
    engine.dispose()


@pytest.fixture
def channel(services, relay: OutboxRelay) -> Iterator[BlockingChannel]:
    """A channel of another client; the queues are there and empty."""
    relay.run_once(1)
    with pika.BlockingConnection(pika.URLParameters(services.rabbitmq.url)) as connection:
        channel = connection.channel()
        for queue in (CROSSINGS_QUEUE, DEAD_LETTER_QUEUE):
            channel.queue_purge(queue)
        yield channel


def put(engine: Engine, count: int) -> list[str]:
    """Messages in the outbox, oldest first; returns their ids."""
    ids = [str(uuid4()) for _ in range(count)]
    with transaction(engine, DEFAULT_TENANT_ID) as connection:
        connection.execute(
            text(
                "insert into outbox (event_id, routing_key, body) select id, 'crossing.1.2',"
                " jsonb_build_object('event_id', id, 'occurred_at', '2026-01-01T00:00:00.000000Z')"
                " from unnest(cast(:ids as uuid[])) with ordinality as given (id, place) order by place"
            ),
            {"ids": ids},
        )
    return ids


def take(channel: BlockingChannel, ids: Collection[str], queue: str = CROSSINGS_QUEUE) -> list[str]:
    """Empty a queue; returns which of our messages were in it (others may be publishing, too)."""
    taken = []
    while True:
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        if properties is None:
            return taken
        assert body is not None
        assert json.loads(body)["event_id"] == properties.message_id
        if properties.message_id in ids:
            taken.append(properties.message_id)


def waiting(engine: Engine) -> int:
    with across_tenants(engine) as session:
        return figures.read(session, now_ns=time.time_ns()).outbox_waiting


def _in_order_of_time(crossings: Collection[Crossing]) -> list[Crossing]:
    return sorted(crossings, key=lambda one: one.occurred_ns)


def test_messages_arrive_in_order_and_leave_the_outbox(relay: OutboxRelay, engine: Engine, channel: BlockingChannel):
    ids = put(engine, 250)
    assert [relay.run_once(100) for _ in range(4)] == [100, 100, 50, 0]
    assert take(channel, ids) == ids
    assert waiting(engine) == 0


def test_a_message_survives_the_broker_and_says_when_it_was_sent(
    relay: OutboxRelay, engine: Engine, channel: BlockingChannel
):
    put(engine, 1)
    relay.run_once(10)
    _, properties, body = channel.basic_get(CROSSINGS_QUEUE, auto_ack=True)
    assert properties is not None
    assert body is not None
    assert properties.delivery_mode == pika.DeliveryMode.Persistent.value
    assert properties.content_type == "application/json"
    assert properties.headers is not None
    assert properties.headers["published_at"] > json.loads(body)["occurred_at"]


def test_stored_crossings_are_told_once_in_order_of_time(
    relay: OutboxRelay, engine: Engine, channel: BlockingChannel, dsn: str
):
    store = PostgresUnderTest(PostgresStore(dsn), engine)
    camera = store.camera()
    seen = [crossing(camera, track, at_s=(track * 7 % 701) * 0.07) for track in range(1, 701)]
    for part in (seen[:600], seen):
        store.store.commit([delivery(camera, part)])
    told = []
    while relay.run_once(100):
        told += take(channel, {str(one.event_id) for one in seen})
    in_order = [*_in_order_of_time(seen[:600]), *_in_order_of_time(seen[600:])]
    assert told == [str(one.event_id) for one in in_order]
    assert waiting(engine) == 0
    store.store.close()


def test_two_relays_share_the_outbox_without_sending_twice(
    services, dsn: str, relay: OutboxRelay, engine: Engine, channel: BlockingChannel
):
    ids = put(engine, 40)
    other = OutboxRelay(dsn, services.rabbitmq.url)
    while relay.run_once(10) + other.run_once(10):
        pass
    other.close()
    assert sorted(take(channel, ids)) == sorted(ids)


def test_a_message_that_no_one_can_handle_becomes_a_dead_letter(
    relay: OutboxRelay, engine: Engine, channel: BlockingChannel
):
    ids = put(engine, 1)
    relay.run_once(10)
    given_out, dead, tries = 0, [], 0
    while not dead and tries < 50:
        method, properties, _ = channel.basic_get(CROSSINGS_QUEUE)
        if method is None:
            channel.connection.sleep(0.1)
            dead = take(channel, ids, DEAD_LETTER_QUEUE)
        else:
            ours = properties is not None and properties.message_id in ids
            given_out += ours
            channel.basic_nack(method.delivery_tag, requeue=ours)
        tries += 1
    assert dead == ids
    assert DELIVERY_LIMIT <= given_out <= DELIVERY_LIMIT + 1


def test_a_broker_that_is_away_loses_nothing(services, relay: OutboxRelay, engine: Engine, channel: BlockingChannel):
    before = put(engine, 3)
    assert relay.run_once(10) == 3
    channel.connection.close()
    services.rabbitmq.stop()
    try:
        after = put(engine, 5)
        with pytest.raises(StoreUnavailable):
            relay.run_once(10)
        assert waiting(engine) == 5
    finally:
        services.rabbitmq.start()
    assert relay.run_once(10) == 5
    with pika.BlockingConnection(pika.URLParameters(services.rabbitmq.url)) as connection:
        assert take(connection.channel(), before + after) == before + after


def test_an_address_that_nobody_answers_at_is_said_without_the_password(dsn: str):
    relay = OutboxRelay(dsn, "amqp://someone:secret@127.0.0.1:1/")
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1") as raised:
        relay.run_once(1)
    assert "secret" not in str(raised.value)
    relay.close()
