"""From PostgreSQL's outbox to RabbitMQ: at least once, in order, each message under its event's id.

The row names the exchange: a crossing and a job take the same way, in the transaction that made them.
"""

import time

import pika
from sqlalchemy import Row, text

from actors.queue.confirms import ConfirmingPublisher, Message
from actors.queue.topology import declare, parameters_of
from schema.database import across_tenants, open_engine
from schema.errors import StoreUnavailable
from schema.times import to_text


class OutboxRelay:
    """Moves messages; used by one thread. Several relays may run: each takes rows that no other has.

    A row is deleted in the transaction that read it, after the broker's confirm. If the process dies in between, the
    message goes out again with the same ``message_id``.
    """

    def __init__(self, dsn: str, amqp_url: str) -> None:
        """Connect when first needed."""
        self._engine = open_engine(dsn, pool_size=1)
        self._parameters = parameters_of(amqp_url)
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
                    publisher.publish([_message(row) for row in rows])
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


_OLDEST = text(
    "select id, event_id, exchange, routing_key, cast(body as text) as body from outbox order by id limit :limit"
    " for update skip locked"
)
_DELETE = text("delete from outbox where id = any(:ids)")


def _message(row: Row[tuple[int, object, str, str, str]]) -> Message:
    """The body says when it happened; the properties say when it was sent."""
    now_ns = time.time_ns()
    return Message(
        exchange=row.exchange,
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
