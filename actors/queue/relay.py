"""From PostgreSQL's outbox to RabbitMQ: at least once, in order, each message under its event's id.

Messages of all kinds lie in ``outbox`` as they are; of crossings, which are many, ``outbox_crossings`` holds the ids.
"""

import time
from uuid import UUID

import pika
from sqlalchemy import text
from sqlalchemy.orm import Session

from actors.queue.confirms import ConfirmingPublisher, Message
from actors.queue.topology import declare, parameters_of
from schema.database import across_tenants, open_engine
from schema.errors import StoreUnavailable
from schema.names import EVENTS_EXCHANGE
from schema.queries import crossings
from schema.times import to_text
from schema.wire import crossing_event, dump


class OutboxRelay:
    """Moves messages; used by one thread. Several relays may run: each takes rows that no other has.

    A row goes with the transaction that read it, which ends after the broker's confirm. If the process dies in between,
    the message goes out again with the same ``message_id``.
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
                messages = [*_take_messages(session, limit), *_take_crossings(session, limit)]
                if messages:
                    publisher.publish(messages)
        except StoreUnavailable:
            self._disconnect()
            raise
        return len(messages)

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


# A row holds up to some hundred crossings: rows are taken until they hold as many as may be sent at once.
_OLDEST_CROSSINGS = text("""
select id, event_ids, first_at, last_at
from (
    select *, sum(cardinality(event_ids)) over (order by id) - cardinality(event_ids) as before
    from outbox_crossings
    where id in (select id from outbox_crossings order by id limit :limit for update skip locked)
) as numbered
where before < :limit order by id
""")
_DELETE_CROSSINGS = text("delete from outbox_crossings where id = any(:ids)")


def _take_messages(session: Session, limit: int) -> list[Message]:
    rows = session.execute(_OLDEST, {"limit": limit}).all()
    if rows:
        session.execute(_DELETE, {"ids": [row.id for row in rows]})
    return [_message(row.event_id, row.exchange, row.routing_key, row.body.encode()) for row in rows]


def _take_crossings(session: Session, limit: int) -> list[Message]:
    rows = session.execute(_OLDEST_CROSSINGS, {"limit": limit}).all()
    if not rows:
        return []
    told = crossings.by_ids(
        session,
        [event_id for row in rows for event_id in row.event_ids],
        first_at=min(row.first_at for row in rows),
        last_at=max(row.last_at for row in rows),
    )
    session.execute(_DELETE_CROSSINGS, {"ids": [row.id for row in rows]})
    return [
        _message(
            crossing.event_id,
            EVENTS_EXCHANGE,
            f"crossing.{crossing.camera_id}.{crossing.rule_id}",
            dump(crossing_event(crossing)),
        )
        for crossing in told
    ]


def _message(event_id: UUID, exchange: str, routing_key: str, body: bytes) -> Message:
    """The body says when it happened; the properties say when it was sent."""
    now_ns = time.time_ns()
    return Message(
        exchange=exchange,
        routing_key=routing_key,
        body=body,
        properties=pika.BasicProperties(
            app_id="turnstile",
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent.value,
            headers={"published_at": to_text(now_ns)},
            message_id=str(event_id),
            timestamp=now_ns // 10**9,
        ),
    )
