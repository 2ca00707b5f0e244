"""Going through all messages that wait in a queue: some are kept, some changed, some go elsewhere.

AMQP can neither change a message nor take one out of the middle. So all are taken in order, some at a time; what is to
become of them is published, to the queue's own end where they are kept; and they leave when the broker has confirmed
that. All that are kept stay in order, and none is lost. Whoever is killed in between leaves some twice, under the same
ids. Messages that a consumer has in hand are his.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.connection import Parameters

from actors.queue.confirms import ConfirmingPublisher, Message
from actors.queue.topology import declare, with_channel

BATCH: Final = 500
SILENCE_S: Final = 2.0
"""After so long without a message, nothing waits any more."""
_COUNTED_ANEW: Final = "x-delivery-count"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A message as it came out of the queue."""

    tag: int
    routing_key: str
    properties: pika.BasicProperties
    body: bytes


Decide = Callable[[Sequence[Taken]], Sequence[Message]]
"""From messages that were taken, in order, to those that are to be published before they go."""


def pass_through(parameters: Parameters, queue: str, decide: Decide) -> None:
    """Take all messages that wait in a queue now, and publish in their place what ``decide`` says.

    Args:
        parameters: the broker.
        queue: one of ours.
        decide: what becomes of some of them; when it raises, these and those after them stay.

    Raises:
        StoreUnavailable: the broker does not answer; repeating this goes on.
        Permanent: it has our queues with other settings.
    """
    declare(parameters)
    publisher = ConfirmingPublisher(parameters)
    try:
        with_channel(parameters, lambda channel: _pass(channel, publisher, queue, decide))
    finally:
        publisher.close()


def kept(queue: str, taken: Taken, body: bytes | None = None) -> Message:
    """The message for the end of the queue that it came from; with another body, if one is given."""
    properties = taken.properties
    headers = cast(dict[str, Any], properties.headers or {})
    properties.headers = {name: value for name, value in headers.items() if name != _COUNTED_ANEW} or None
    # By the exchange without a name, which leads to the queue of the routing key and to no other.
    return Message(exchange="", routing_key=queue, body=taken.body if body is None else body, properties=properties)


def _pass(channel: BlockingChannel, publisher: ConfirmingPublisher, queue: str, decide: Decide) -> None:
    left = channel.queue_declare(queue, passive=True).method.message_count
    while left > 0 and (taken := _take(channel, queue, min(left, BATCH))):
        publisher.publish(decide(taken))
        channel.basic_ack(taken[-1].tag, multiple=True)
        left -= len(taken)


def _take(channel: BlockingChannel, queue: str, count: int) -> list[Taken]:
    """The first messages of a queue; fewer where others take them.

    By a consumer, which can acknowledge all of them with one command. Messages that are got one by one are acknowledged
    by a command each, and a quorum queue puts those beyond 32 off: whoever closes the channel then finds them back.
    """
    channel.basic_qos(prefetch_count=count)
    taken: list[Taken] = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=SILENCE_S):
        if method is None or properties is None or body is None:
            break
        taken.append(Taken(tag=method.delivery_tag, routing_key=method.routing_key, properties=properties, body=body))
        if len(taken) == count:
            break
    channel.cancel()
    return taken
