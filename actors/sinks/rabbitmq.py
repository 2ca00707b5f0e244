"""From PostgreSQL's outbox to RabbitMQ: at least once, in order, each message under its event's id."""

import time

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosedByBroker
from sqlalchemy import Row, text

from actors.sinks.confirms import ANSWER_TIMEOUT_S, ConfirmingPublisher, Message
from schema.database import across_tenants, open_engine
from schema.errors import Permanent, StoreUnavailable
from schema.names import CROSSINGS_QUEUE, DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, EVENTS_EXCHANGE
from schema.times import to_text

QUEUE_LIMIT = 1_000_000
"""Messages a queue holds. Overflow policy: the oldest goes, to the dead letters; PostgreSQL has every crossing."""
DELIVERY_LIMIT = 5
"""How often a message is given out before it is a dead letter."""
HEARTBEAT_S = 30


class OutboxRelay:
    """Moves messages; used by one thread. Several relays may run: each takes rows that no other has.

    A row is deleted in the transaction that read it, after the broker's confirm. If the process dies in between, the
    message goes out again with the same ``message_id``.
    """

    def __init__(self, dsn: str, amqp_url: str) -> None:
        """Connect when first needed."""
        self._engine = open_engine(dsn, pool_size=1)
        self._parameters = pika.URLParameters(amqp_url)
        self._parameters.heartbeat = HEARTBEAT_S
        self._parameters.socket_timeout = ANSWER_TIMEOUT_S
        self._parameters.stack_timeout = ANSWER_TIMEOUT_S
        self._parameters.blocked_connection_timeout = ANSWER_TIMEOUT_S
        self._publisher: ConfirmingPublisher | None = None

    def run_once(self, limit: int) -> int:
        """Publish up to ``limit`` waiting messages, oldest first; call it often, it answers heartbeats too.

        Returns:
            How many were published.

        Raises:
            StoreUnavailable: PostgreSQL or RabbitMQ does not answer; the messages wait.
            Permanent: RabbitMQ has our queues with other settings.
        """
        try:
            publisher = self._connected()
            publisher.keep_alive()
            with across_tenants(self._engine) as session:
                rows = session.execute(_OLDEST, {"limit": limit}).all()
                if rows:
                    publisher.publish(EVENTS_EXCHANGE, [_message(row) for row in rows])
                    session.execute(_DELETE, {"ids": [row.id for row in rows]})
        except StoreUnavailable:
            self._disconnect()
            raise
        return len(rows)

    def close(self) -> None:
        """Close all connections."""
        self._disconnect()
        self._engine.dispose()

    def _connected(self) -> ConfirmingPublisher:
        if self._publisher is None:
            declare(self._parameters)
            self._publisher = ConfirmingPublisher(self._parameters)
        return self._publisher

    def _disconnect(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()


def declare(parameters: Parameters) -> None:
    """Make the exchanges and queues where they are missing.

    Raises:
        StoreUnavailable: the broker does not answer.
        Permanent: it has them with other settings.
    """
    place = f"{parameters.host}:{parameters.port}"
    try:
        with pika.BlockingConnection(parameters) as connection:
            _declare(connection.channel())
    except ChannelClosedByBroker as error:
        raise Permanent(
            f"RabbitMQ at {place} has our queues with other settings: delete them ({error.reply_text})"
        ) from error
    except (AMQPError, OSError) as error:
        raise StoreUnavailable(f"RabbitMQ at {place} does not take us: {type(error).__name__}") from error


def _declare(channel: BlockingChannel) -> None:
    bounded = {"x-queue-type": "quorum", "x-max-length": QUEUE_LIMIT, "x-overflow": "drop-head"}
    channel.exchange_declare(DEAD_LETTER_EXCHANGE, "fanout", durable=True)
    channel.queue_declare(DEAD_LETTER_QUEUE, durable=True, arguments=bounded)
    channel.queue_bind(DEAD_LETTER_QUEUE, DEAD_LETTER_EXCHANGE)
    channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
    channel.queue_declare(
        CROSSINGS_QUEUE,
        durable=True,
        arguments={
            **bounded,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
        },
    )
    channel.queue_bind(CROSSINGS_QUEUE, EVENTS_EXCHANGE, "crossing.#")


_OLDEST = text(
    "select id, event_id, routing_key, cast(body as text) as body from outbox order by id limit :limit"
    " for update skip locked"
)
_DELETE = text("delete from outbox where id = any(:ids)")


def _message(row: Row[tuple[int, object, str, str]]) -> Message:
    """The body says when it happened; the properties say when it was sent."""
    now_ns = time.time_ns()
    return Message(
        routing_key=row.routing_key,
        body=row.body.encode(),
        properties=pika.BasicProperties(
            app_id="turnstile",
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent.value,
            headers={"published_at": to_text(now_ns)},
            message_id=str(row.event_id),
            timestamp=now_ns // 10**9,
        ),
    )
