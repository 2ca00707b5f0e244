"""What becomes of a message, by what its handler does and what happens to the connection meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pika
import pytest

from actors.queue import dead_letters
from actors.queue import topology as topology_module
from actors.queue.consumer import Consumer, Received
from actors.queue.topology import DELIVERY_LIMIT, declare, depths, parameters_of
from schema.errors import BadInput, Permanent, StoreUnavailable
from schema.names import ALERTS_EXCHANGE, ALERTS_QUEUE
from tests.door import Door
from tests.integration.job_bench import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def parameters(services):
    parameters = parameters_of(services.rabbitmq.url)
    declare(parameters)
    with pika.BlockingConnection(parameters) as connection:
        for queue in topology_module.QUEUES:
            connection.channel().queue_purge(queue)
    return parameters


@pytest.fixture
def door(services) -> Iterator[Door]:
    with Door(services.rabbitmq.port) as door:
        yield door


def publish(parameters, *bodies: bytes) -> None:
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        for body in bodies:
            channel.basic_publish(ALERTS_EXCHANGE, "warning.test", body, pika.BasicProperties(message_id=body.decode()))


@contextmanager
def consuming(url: str, handle: Callable[[Received], None], *, prefetch: int = 1) -> Iterator[None]:
    consumer = Consumer(url, ALERTS_QUEUE, handle, prefetch=prefetch)
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        consumer.stop()
        thread.join()


def is_empty(parameters) -> bool:
    return depths(parameters, [ALERTS_QUEUE])[ALERTS_QUEUE].ready == 0


def test_messages_are_handled_in_order_and_leave_the_queue(services, parameters):
    bodies = [str(number).encode() for number in range(300)]
    publish(parameters, *bodies)
    handled = []
    with consuming(services.rabbitmq.url, lambda message: handled.append(message.body), prefetch=50):
        eventually(lambda: len(handled) == 300, "all messages")
    assert handled == bodies
    assert is_empty(parameters)


def test_what_was_taken_ahead_goes_back_when_the_consumer_stops(services, parameters):
    publish(parameters, b"a", b"b", b"c")
    begun, go_on = threading.Event(), threading.Event()

    def handle(_message):
        begun.set()
        go_on.wait(10)

    with consuming(services.rabbitmq.url, handle, prefetch=3):
        assert begun.wait(10)
        threading.Timer(0.5, go_on.set).start()
    assert depths(parameters, [ALERTS_QUEUE])[ALERTS_QUEUE].ready == 2


def test_a_failure_that_passes_keeps_the_message_and_those_behind_it(services, parameters):
    publish(parameters, b"a", b"b")
    seen = []

    def handle(message):
        seen.append((message.body, message.again))
        if len(seen) <= DELIVERY_LIMIT + 2:
            raise StoreUnavailable("away")

    with consuming(services.rabbitmq.url, handle):
        eventually(lambda: len(seen) == DELIVERY_LIMIT + 4, "the end of the failure")
    assert seen == [(b"a", False)] * (DELIVERY_LIMIT + 3) + [(b"b", False)]
    assert dead_letters.look(parameters, limit=10) == []


@pytest.mark.parametrize(("error", "tries", "reason"), [
    (Permanent("no"), 1, "rejected"),
    (BadInput("no"), 1, "rejected"),
    (ZeroDivisionError(), DELIVERY_LIMIT + 1, "delivery_limit"),
])  # fmt: skip
def test_what_cannot_be_handled_is_a_dead_letter_and_the_next_is_handled(services, parameters, error, tries, reason):
    publish(parameters, b"poison", b"good")
    seen = []

    def handle(message):
        seen.append(message.body)
        if message.body == b"poison":
            raise error

    with consuming(services.rabbitmq.url, handle):
        (letter,) = eventually(lambda: dead_letters.look(parameters, limit=10), "a dead letter")
        eventually(lambda: b"good" in seen, "the next message")
    assert (letter.body, letter.reason, letter.queue) == (b"poison", reason, ALERTS_QUEUE)
    assert seen.count(b"poison") == tries


def test_a_connection_that_breaks_in_the_middle_brings_the_message_again(services, parameters, door):
    publish(parameters, b"a")
    seen, begun, go_on = [], threading.Event(), threading.Event()

    def handle(message):
        seen.append(message.again)
        begun.set()
        go_on.wait(10)

    url = services.rabbitmq.url.replace(f":{services.rabbitmq.port}/", f":{door.port}/")
    with consuming(url, handle):
        assert begun.wait(10)
        door.shut()
        eventually(lambda: not is_empty(parameters), "the message back in its queue")
        door.open()
        go_on.set()
        eventually(lambda: len(seen) == 2 and is_empty(parameters), "the second time")
    assert seen == [False, True]


def test_a_handler_may_take_longer_than_heartbeats_are_apart(services, parameters, monkeypatch):
    monkeypatch.setattr(topology_module, "HEARTBEAT_S", 1)
    publish(parameters, b"a")
    seen = []

    def handle(message):
        seen.append(message.again)
        time.sleep(4)  # the broker lets go of whoever is silent for two heartbeats

    with consuming(services.rabbitmq.url, handle):
        eventually(lambda: seen and is_empty(parameters), "the message")
    time.sleep(0.2)
    assert (seen, is_empty(parameters)) == ([False], True)
