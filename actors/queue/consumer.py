"""Taking messages from a queue: each is handled at least once, and leaves the queue when its handling has lasted.

What the handler does decides what happens to the message:

    returns          its effect is durable           acknowledged: the message is gone
    Retryable        the world failed for now        kept, and handled again after a while
    Permanent,       this message cannot be handled  rejected: a dead letter
    BadInput
    anything else    nobody thought of that          back into the queue; a dead letter at the delivery limit

The handler must be idempotent: a message comes again when its consumer dies, or the connection does, before the
acknowledgement has arrived.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from actors.backoff import Backoff
from actors.queue.topology import declare, parameters_of, place_of
from schema.errors import BadInput, Permanent, Retryable, StoreUnavailable

log = structlog.get_logger(__name__)

POLL_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A message as it came. ``again``: it was given out before, and nobody acknowledged it."""

    message_id: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    again: bool


Handle = Callable[[Received], None]


class Consumer:
    """One queue, one connection, one handler; messages are handled one after the other.

    The handler has a thread of its own, so that heartbeats are answered however long it takes.
    """

    def __init__(self, amqp_url: str, queue: str, handle: Handle, *, prefetch: int = 1) -> None:
        """Connect when ``run`` begins.

        Args:
            amqp_url: the broker.
            queue: which queue.
            handle: does what a message asks for, see above.
            prefetch: messages taken from the queue ahead of their turn: more is faster where handling is short.
        """
        self._parameters = parameters_of(amqp_url)
        self._queue = queue
        self._handle = handle
        self._prefetch = prefetch
        self._stopping = threading.Event()

    def run(self) -> None:
        """Handle messages until ``stop``; connects again whenever the connection is lost.

        Raises:
            Permanent: the broker has our queues with other settings.
        """
        backoff = Backoff()
        with ThreadPoolExecutor(1, thread_name_prefix=self._queue) as handler:
            while not self._stopping.is_set():
                try:
                    declare(self._parameters)
                    with pika.BlockingConnection(self._parameters) as connection:
                        backoff.reset()
                        self._consume(connection.channel(), handler)
                except (StoreUnavailable, AMQPError, OSError) as error:
                    place = place_of(self._parameters)
                    log.warning("Queue is out of reach", queue=self._queue, broker=place, error=type(error).__name__)
                    self._stopping.wait(backoff.next_s())

    def stop(self) -> None:
        """Let ``run`` return after the message in hand; those that were taken ahead go back into the queue."""
        self._stopping.set()

    def _consume(self, channel: BlockingChannel, handler: ThreadPoolExecutor) -> None:
        channel.basic_qos(prefetch_count=self._prefetch)
        for method, properties, body in channel.consume(self._queue, inactivity_timeout=POLL_S):
            if self._stopping.is_set():
                channel.cancel()
                return
            if method is None or properties is None or body is None:
                continue
            message = Received(
                message_id=properties.message_id or "",
                routing_key=method.routing_key,
                body=body,
                headers=properties.headers or {},
                again=method.redelivered,
            )
            answer = self._answer(channel, handler.submit(self._handle_patiently, message), message)
            if answer is not None:
                answer(channel, method.delivery_tag)

    def _answer(
        self, channel: BlockingChannel, handled: "Future[None]", message: Received
    ) -> Callable[[BlockingChannel, int], None] | None:
        """Wait for the handler, answering heartbeats meanwhile, and judge the message by how it ended."""
        connection = channel.connection

        def wake(_handled: "Future[None]") -> None:
            with suppress(AMQPError):
                connection.add_callback_threadsafe(lambda: None)

        handled.add_done_callback(wake)
        while not handled.done():
            connection.process_data_events(time_limit=POLL_S)
        about = {"queue": self._queue, "message_id": message.message_id}
        try:
            handled.result()
        except _StoppedWaiting:
            return None
        except (Permanent, BadInput) as error:
            log.warning("Message cannot be handled, it is a dead letter", **about, error=str(error))
            return partial(BlockingChannel.basic_reject, requeue=False)
        except Exception:
            log.exception("Handling a message failed", **about)
            return partial(BlockingChannel.basic_reject, requeue=True)
        return BlockingChannel.basic_ack

    def _handle_patiently(self, message: Received) -> None:
        backoff = Backoff()
        while True:
            try:
                self._handle(message)
            except Retryable as error:
                if self._stopping.wait(backoff.next_s()):
                    raise _StoppedWaiting from error
                log.warning("Message waits", queue=self._queue, message_id=message.message_id, error=str(error))
            else:
                return


class _StoppedWaiting(Exception):
    """The consumer is to stop: the message goes back into the queue with the connection's end."""
