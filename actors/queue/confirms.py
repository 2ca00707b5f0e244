"""Publishing to RabbitMQ with confirms by the batch.

pika's blocking channel waits for the broker after every message. Here a whole batch is on its way before the first
answer is read: the connection's own loop runs in the caller's thread, for as long as an answer is awaited.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pika
from pika.channel import Channel
from pika.connection import Parameters
from pika.exceptions import AMQPError
from pika.frame import Method
from pika.spec import Basic

from actors.queue.topology import ANSWER_TIMEOUT_S
from schema.errors import StoreUnavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message for an exchange."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


class ConfirmingPublisher:
    """One connection with one channel in confirm mode. Belongs to one thread; broken once it has raised."""

    def __init__(self, parameters: Parameters) -> None:
        """Connect, and wait until messages can be published.

        Raises:
            StoreUnavailable: the broker does not take us.
        """
        self._channel: Channel | None = None
        self._unconfirmed: set[int] = set()
        self._last_tag = 0
        self._failure: str | None = None
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=self._on_failure,
            on_close_callback=self._on_failure,
        )
        self._wait(ANSWER_TIMEOUT_S)

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish all messages in order, and wait until the broker has confirmed every one.

        Raises:
            StoreUnavailable: it has not confirmed all; some may have arrived all the same.
        """
        assert self._channel is not None, "a publisher is connected from the start"  # noqa: S101
        try:
            for message in messages:
                self._channel.basic_publish(message.exchange, message.routing_key, message.body, message.properties)
        except AMQPError as error:
            raise StoreUnavailable(f"RabbitMQ is gone: {error!r}") from error
        first, self._last_tag = self._last_tag + 1, self._last_tag + len(messages)
        self._unconfirmed.update(range(first, self._last_tag + 1))
        self._wait(ANSWER_TIMEOUT_S)

    def keep_alive(self) -> None:
        """Read and answer what has come in the meantime: heartbeats, or the end of the connection.

        Raises:
            StoreUnavailable: the connection has ended.
        """
        self._connection.ioloop.call_later(0, self._connection.ioloop.stop)
        self._connection.ioloop.start()
        self._check()

    def close(self) -> None:
        """End the connection; what was not confirmed is not awaited."""
        if not (self._connection.is_closed or self._connection.is_closing):
            self._connection.close()
            deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
            # The loop stops for the end of the channel, too, which comes first.
            while not self._connection.is_closed and (left_s := deadline_s - time.monotonic()) > 0:
                self._run(left_s)
        self._connection.ioloop.close()

    def _wait(self, timeout_s: float) -> None:
        if self._failure is None and not self._is_idle():
            self._run(timeout_s)
        self._check()
        if not self._is_idle():
            raise StoreUnavailable(f"RabbitMQ did not answer within {timeout_s:g} s")

    def _run(self, timeout_s: float) -> None:
        loop = self._connection.ioloop
        timer = loop.call_later(timeout_s, loop.stop)
        loop.start()
        loop.remove_timeout(timer)

    def _is_idle(self) -> bool:
        return self._channel is not None and not self._unconfirmed

    def _check(self) -> None:
        if self._failure is not None:
            raise StoreUnavailable(f"RabbitMQ: {self._failure}")

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_failure)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._on_ready(channel))

    def _on_ready(self, channel: Channel) -> None:
        self._channel = channel
        self._connection.ioloop.stop()

    def _on_confirm(self, frame: Method) -> None:
        answer = frame.method
        tag: int = answer.delivery_tag
        done = {waiting for waiting in self._unconfirmed if waiting <= tag} if answer.multiple else {tag}
        self._unconfirmed -= done
        if isinstance(answer, Basic.Nack):
            self._on_failure(self._channel, "it refused a message")
        elif not self._unconfirmed:
            self._connection.ioloop.stop()

    def _on_failure(self, _where: Any, reason: object) -> None:
        self._failure = self._failure or str(reason) or type(reason).__name__
        self._connection.ioloop.stop()
