"""The exchanges and queues, declared in one place.

    turnstile.events (topic)         ── crossing.# ──► turnstile.crossings ──┐
    turnstile.jobs (direct)          ── KIND ────────► turnstile.jobs.KIND ──┤ rejected, given out too often,
    turnstile.alerts (topic)         ── # ───────────► turnstile.alerts ─────┤ or too many
    turnstile.dead-letters (fanout) ◄────────────────────────────────────────┘
                                     ────────────────► turnstile.dead-letters

Every queue is a quorum queue. What is durable keeps its arguments for ever: RabbitMQ refuses a queue that is declared
with others. Each kind of job has a queue of its own, because kinds differ in length a thousandfold: hours of video
never keep a roll-up waiting, and the depth of each can be seen.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosedByBroker

from schema.errors import Permanent, StoreUnavailable
from schema.jobs import KINDS
from schema.names import (
    ALERTS_EXCHANGE,
    ALERTS_QUEUE,
    CROSSINGS_QUEUE,
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_QUEUE,
    EVENTS_EXCHANGE,
    JOBS_EXCHANGE,
    jobs_queue,
)

QUEUE_LIMIT: Final = 1_000_000
"""Messages a queue holds. Overflow policy: the oldest goes, to the dead letters; PostgreSQL has every crossing and
every job."""
DELIVERY_LIMIT: Final = 5
"""How often a message is given out before it is a dead letter."""
HEARTBEAT_S: Final = 30
ANSWER_TIMEOUT_S: Final = 10.0
_BOUNDED: Final[dict[str, Any]] = {"x-queue-type": "quorum", "x-max-length": QUEUE_LIMIT, "x-overflow": "drop-head"}

QUEUES: Final = (CROSSINGS_QUEUE, ALERTS_QUEUE, *map(jobs_queue, KINDS), DEAD_LETTER_QUEUE)

T = TypeVar("T")


def parameters_of(amqp_url: str) -> Parameters:
    """How every connection of ours behaves: it notices a broker that went silent, and waits for no answer for ever."""
    parameters = pika.URLParameters(amqp_url)
    parameters.heartbeat = HEARTBEAT_S
    parameters.socket_timeout = ANSWER_TIMEOUT_S
    parameters.stack_timeout = ANSWER_TIMEOUT_S
    parameters.blocked_connection_timeout = ANSWER_TIMEOUT_S
    return parameters


def with_channel(parameters: Parameters, work: Callable[[BlockingChannel], T]) -> T:
    """Do something on a channel of a connection of its own.

    Raises:
        StoreUnavailable: the broker does not answer.
    """
    place = place_of(parameters)
    try:
        with pika.BlockingConnection(parameters) as connection:
            return work(connection.channel())
    except (AMQPError, OSError) as error:
        raise StoreUnavailable(f"RabbitMQ at {place} does not take us: {type(error).__name__}") from error


def declare(parameters: Parameters) -> None:
    """Make the exchanges and queues where they are missing.

    Raises:
        StoreUnavailable: the broker does not answer.
        Permanent: it has them with other settings.
    """
    try:
        with_channel(parameters, _declare)
    except StoreUnavailable as error:
        if isinstance(error.__cause__, ChannelClosedByBroker):
            raise Permanent(
                f"RabbitMQ at {place_of(parameters)} has our queues with other settings: delete them"
                f" ({error.__cause__.reply_text})"
            ) from error
        raise


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """How many messages of a queue wait for a consumer, and how many consumers there are.

    Messages that a consumer has in hand are not among those that wait; AMQP does not tell how many they are.
    """

    ready: int
    consumers: int


def depths(parameters: Parameters, queues: Iterable[str]) -> dict[str, Depth]:
    """The depth of queues that are there.

    Raises:
        StoreUnavailable: the broker does not answer, or has no such queue.
    """

    def ask(channel: BlockingChannel) -> dict[str, Depth]:
        answers = {queue: channel.queue_declare(queue, passive=True).method for queue in queues}
        return {q: Depth(ready=a.message_count, consumers=a.consumer_count) for q, a in answers.items()}

    return with_channel(parameters, ask)


def place_of(parameters: Parameters) -> str:
    """Host and port, without user and password."""
    return f"{parameters.host}:{parameters.port}"


def _declare(channel: BlockingChannel) -> None:
    channel.exchange_declare(DEAD_LETTER_EXCHANGE, "fanout", durable=True)
    channel.queue_declare(DEAD_LETTER_QUEUE, durable=True, arguments=_BOUNDED)
    channel.queue_bind(DEAD_LETTER_QUEUE, DEAD_LETTER_EXCHANGE)
    channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
    _declare_queue(channel, CROSSINGS_QUEUE, EVENTS_EXCHANGE, "crossing.#")
    channel.exchange_declare(ALERTS_EXCHANGE, "topic", durable=True)
    _declare_queue(channel, ALERTS_QUEUE, ALERTS_EXCHANGE, "#")
    channel.exchange_declare(JOBS_EXCHANGE, "direct", durable=True)
    for kind in KINDS:
        _declare_queue(channel, jobs_queue(kind), JOBS_EXCHANGE, kind)


def _declare_queue(channel: BlockingChannel, queue: str, exchange: str, routing_key: str) -> None:
    dead = {"x-delivery-limit": DELIVERY_LIMIT, "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE}
    channel.queue_declare(queue, durable=True, arguments={**_BOUNDED, **dead})
    channel.queue_bind(queue, exchange, routing_key)
