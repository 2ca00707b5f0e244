"""Four independent ways to ask what was counted: PostgreSQL, Redis, a WebSocket client, and RabbitMQ's queue.

Each is read the way a user would read it, with no help from the parts that wrote it, so that they agree only if
nothing was lost and nothing was counted twice.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, cast

import pika
import redis
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from sqlalchemy import func, select
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from actors.queue.topology import declare
from schema.cache.families import TOTALS
from schema.database import open_engine, transaction
from schema.live import decode_totals
from schema.names import CROSSINGS_QUEUE, EVENTS_EXCHANGE
from schema.tables import CrossingRow
from schema.tenants import DEFAULT_TENANT_ID

POLL_S = 0.2
JOIN_S = 15.0
UNUSED_MS = 10 * 60 * 1000
"""A witness's queue that nobody listens to is deleted by the broker after this long."""

Counts = Mapping[tuple[int, str], int]
"""Crossings by (rule id, direction): people who crossed, not those first or last seen inside."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """Crossings heard of, each counted once however often it was told; ``repeats`` says how often that was."""

    seen: set[str] = field(default_factory=set[str])
    counts: Counter[tuple[int, str]] = field(default_factory=Counter[tuple[int, str]])
    repeats: int = 0

    def hear(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take events in the form that clients get (``schema.wire.crossing_event``)."""
        for event in events:
            if event["event_id"] in self.seen:
                self.repeats += 1
                continue
            self.seen.add(event["event_id"])
            if event["cause"] == "crossed":
                self.counts[event["rule_id"], event["direction"]] += 1


def ask_postgres(dsn: str, camera_ids: Iterable[int]) -> Counts:
    """Count the rows of crossings, not the sums kept beside them."""
    engine = open_engine(dsn, pool_size=1)
    asked = (
        select(CrossingRow.zone_id, CrossingRow.direction, func.count())
        .where(CrossingRow.camera_id.in_(list(camera_ids)), CrossingRow.cause == "crossed")
        .group_by(CrossingRow.zone_id, CrossingRow.direction)
    )
    try:
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            return {(rule_id, direction): count for rule_id, direction, count in session.execute(asked)}
    finally:
        engine.dispose()


def ask_redis(url: str, camera_ids: Iterable[int]) -> Counts:
    """Read the live totals."""
    counts: dict[tuple[int, str], int] = {}
    with redis.Redis.from_url(url) as client:
        for camera_id in camera_ids:
            for value in cast(dict[bytes, bytes], client.hgetall(TOTALS.key(camera_id))).values():
                news = decode_totals(value)
                counts[news.rule_id, "in"] = news.totals.count_in
                counts[news.rule_id, "out"] = news.totals.count_out
    return counts


class _Listener:
    """A thread that hears events; a context manager that starts and stops it."""

    def __init__(self, name: str) -> None:
        self._tally = Tally()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def counts(self) -> Counts:
        """What was heard so far."""
        with self._lock:
            return dict(self._tally.counts)

    @property
    def repeats(self) -> int:
        """How many events came a second time and were not counted again."""
        with self._lock:
            return self._tally.repeats

    def missing(self, event_ids: Iterable[str]) -> set[str]:
        """Which of these events were never heard of."""
        with self._lock:
            return set(event_ids) - self._tally.seen

    def _hear(self, events: Iterable[Mapping[str, Any]]) -> None:
        with self._lock:
            self._tally.hear(events)

    def _listen(self) -> None:
        raise NotImplementedError


class LiveWitness(_Listener):
    """A WebSocket client of ``/api/v1/live``. It counts crossings one by one and keeps the last absolute totals."""

    def __init__(self, url: str) -> None:
        super().__init__("live-witness")
        self._url = url
        self._totals: dict[int, Mapping[str, Any]] = {}
        self._joined = threading.Event()

    def __enter__(self) -> Self:
        """Listen, and return when the first snapshot is here: later crossings are heard one by one."""
        super().__enter__()
        self._joined.wait(JOIN_S)
        return self

    @property
    def totals(self) -> list[Mapping[str, Any]]:
        """The last totals of every rule, as the API sent them."""
        with self._lock:
            return list(self._totals.values())

    def _listen(self) -> None:
        while not self._stopping.is_set():
            with suppress(ConnectionClosed, OSError), connect(self._url, proxy=None) as socket:
                while not self._stopping.is_set():
                    with suppress(TimeoutError):
                        self._take(json.loads(socket.recv(timeout=POLL_S)))
            self._stopping.wait(POLL_S)

    def _take(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            if message["type"] == "snapshot":
                self._totals = {}
            self._totals.update({totals["rule_id"]: totals for totals in message["totals"]})
        self._hear(message.get("crossings", ()))
        self._joined.set()


class QueueWitness(_Listener):
    """A subscriber with a queue of its own, so that nobody else's messages are taken.

    The queue outlives a restart of the broker and this client's connection, and goes away by itself when unused.
    """

    def __init__(self, url: str, name: str) -> None:
        """Subscribe at once; entering the context begins to listen.

        Raises:
            StoreUnavailable: the broker does not answer.
        """
        super().__init__("queue-witness")
        self._parameters = pika.URLParameters(url)
        self._queue = f"{CROSSINGS_QUEUE}.{name}"
        declare(self._parameters)
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.queue_declare(self._queue, durable=True, arguments={"x-expires": UNUSED_MS})
            channel.queue_bind(self._queue, EVENTS_EXCHANGE, "crossing.#")

    def _listen(self) -> None:
        while not self._stopping.is_set():
            with suppress(AMQPError, OSError), pika.BlockingConnection(self._parameters) as connection:
                self._consume(connection.channel())
            self._stopping.wait(POLL_S)

    def _consume(self, channel: BlockingChannel) -> None:
        for method, _, body in channel.consume(self._queue, inactivity_timeout=POLL_S):
            if method is not None and body is not None:
                self._hear([json.loads(body)])
                channel.basic_ack(method.delivery_tag)
            if self._stopping.is_set():
                channel.cancel()
                return
