"""Dead letters: messages that no consumer could handle. Looked at without being consumed, replayed, or dropped.

A letter that is looked at is given back when the connection ends; one that is replayed or dropped leaves the queue only
after its copy is confirmed, or on purpose. Those that stay keep their order (``actors.queue.passing``).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Parameters

from actors.queue.confirms import Message
from actors.queue.passing import Taken, kept, pass_through
from actors.queue.topology import declare, with_channel
from schema.errors import BadInput
from schema.names import DEAD_LETTER_QUEUE
from schema.times import to_ns

_OF_THE_BROKER = (
    "x-death",
    "x-delivery-count",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A message and how it died.

    ``id`` is the message's own, or made from its content. ``exchange`` and ``routing_key`` are where it was published,
    None and empty where the broker does not say; ``queue`` is where it died, for the broker's ``reason``
    (``rejected``, ``delivery_limit``, ``maxlen``).
    """

    id: str
    exchange: str | None
    routing_key: str
    queue: str
    reason: str
    died_ns: int | None
    body: bytes
    properties: pika.BasicProperties

    @property
    def content(self) -> Any:
        """The body as JSON says it; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Wanted = Callable[[DeadLetter], bool]


def look(parameters: Parameters, *, limit: int) -> list[DeadLetter]:
    """The oldest dead letters, which stay where they are.

    Raises:
        StoreUnavailable: the broker does not answer.
        Permanent: it has our queues with other settings.
    """
    declare(parameters)
    return with_channel(parameters, lambda channel: list(_take(channel, limit)))


def replay(
    parameters: Parameters, wanted: Wanted, *, before: Callable[[Sequence[DeadLetter]], None]
) -> list[DeadLetter]:
    """Publish letters where they were first published; each leaves the queue when the broker has confirmed its copy.

    Args:
        parameters: the broker.
        wanted: which of those that are there now.
        before: is told of letters before they are published, some at a time.

    Returns:
        The letters that were replayed.

    Raises:
        BadInput: the broker does not say where a wanted one came from: it stays, and so do those after it.
        StoreUnavailable: the broker does not answer; some may have been replayed.
        Permanent: it has our queues with other settings.
    """

    def decide(letters: Sequence[DeadLetter]) -> list[Message]:
        messages = [_as_it_was(letter) for letter in letters]
        if letters:
            before(letters)
        return messages

    return _remove(parameters, wanted, decide)


def drop(parameters: Parameters, wanted: Wanted) -> list[DeadLetter]:
    """Delete letters; returns them, and raises as ``look``."""
    return _remove(parameters, wanted, lambda _letters: [])


def _remove(
    parameters: Parameters, wanted: Wanted, instead: Callable[[Sequence[DeadLetter]], list[Message]]
) -> list[DeadLetter]:
    """Take wanted letters out of the queue, and publish what is to be there instead."""
    removed: list[DeadLetter] = []

    def decide(taken: Sequence[Taken]) -> list[Message]:
        chosen: list[DeadLetter] = []
        staying: list[Message] = []
        for message in taken:
            letter = _letter(message.routing_key, message.properties, message.body)
            if wanted(letter):
                chosen.append(letter)
            else:
                staying.append(kept(DEAD_LETTER_QUEUE, message))
        messages = instead(chosen)
        removed.extend(chosen)
        return [*messages, *staying]

    pass_through(parameters, DEAD_LETTER_QUEUE, decide)
    return removed


def _take(channel: BlockingChannel, limit: int) -> Iterator[DeadLetter]:
    for _ in range(limit):
        method, properties, body = channel.basic_get(DEAD_LETTER_QUEUE)
        if method is None or properties is None or body is None:
            return
        yield _letter(method.routing_key, properties, body)


def _letter(routing_key: str, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    headers = cast(Mapping[str, Any], properties.headers or {})
    death = cast(Mapping[str, Any], next(iter(headers.get("x-death") or ()), {}))
    died = death.get("time")
    keys = death.get("routing-keys") or [routing_key]
    return DeadLetter(
        id=properties.message_id or hashlib.sha256(body).hexdigest()[:16],
        exchange=death.get("exchange"),
        routing_key=keys[0],
        queue=death.get("queue", ""),
        reason=death.get("reason", ""),
        died_ns=to_ns(died.replace(tzinfo=UTC)) if isinstance(died, datetime) else None,
        body=body,
        properties=properties,
    )


def _as_it_was(letter: DeadLetter) -> Message:
    if letter.exchange is None:
        raise BadInput(f"dead letter {letter.id} does not say where it came from: it can only be dropped")
    properties = letter.properties
    kept = {name: value for name, value in (properties.headers or {}).items() if name not in _OF_THE_BROKER}
    return Message(
        exchange=letter.exchange,
        routing_key=letter.routing_key,
        body=letter.body,
        properties=pika.BasicProperties(
            app_id=properties.app_id,
            content_type=properties.content_type,
            delivery_mode=pika.DeliveryMode.Persistent.value,
            headers=kept,
            message_id=properties.message_id,
            timestamp=properties.timestamp,
        ),
    )
