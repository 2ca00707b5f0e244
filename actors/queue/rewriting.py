"""Changing messages that wait: what names a person who is erased must not lie in a queue.

AMQP cannot change a message. So every message of a queue is taken in order, its copy, changed or not, is published to
the queue's end, and it leaves when the broker has confirmed the copy: all keep their order, and none is lost. Whoever
is killed in between leaves one batch twice at most, under the same ids. Messages that a consumer has in hand are his.
"""

from collections.abc import Callable
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


def rewrite(parameters: Parameters, queue: str, change: Callable[[bytes], bytes]) -> int:
    """Have every message that waits in a queue now say what ``change`` makes of it.

    Args:
        parameters: the broker.
        queue: one of ours.
        change: from body to body; the same body where nothing is to be changed.

    Returns:
        How many messages were changed.

    Raises:
        StoreUnavailable: the broker does not answer; repeating this goes on.
        Permanent: it has our queues with other settings.
    """
    declare(parameters)
    publisher = ConfirmingPublisher(parameters)
    try:
        return with_channel(parameters, lambda channel: _rewrite(channel, publisher, queue, change))
    finally:
        publisher.close()


def _rewrite(
    channel: BlockingChannel, publisher: ConfirmingPublisher, queue: str, change: Callable[[bytes], bytes]
) -> int:
    left = channel.queue_declare(queue, passive=True).method.message_count
    changed = 0
    while left > 0 and (taken := _take(channel, queue, min(left, BATCH))):
        told = [change(body) for _, _, body in taken]
        changed += sum(new != old for new, (_, _, old) in zip(told, taken, strict=True))
        publisher.publish(
            [_to_the_end(queue, body, properties) for body, (_, properties, _) in zip(told, taken, strict=True)]
        )
        channel.basic_ack(taken[-1][0], multiple=True)
        left -= len(taken)
    return changed


def _take(channel: BlockingChannel, queue: str, count: int) -> list[tuple[int, pika.BasicProperties, bytes]]:
    """The first messages of a queue with their tags; fewer where others take them.

    By a consumer, which can acknowledge all of them with one command. Messages that are got one by one are acknowledged
    by a command each, and a quorum queue puts those beyond 32 off: whoever closes the channel then takes them back.
    """
    channel.basic_qos(prefetch_count=count)
    taken: list[tuple[int, pika.BasicProperties, bytes]] = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=SILENCE_S):
        if method is None or properties is None or body is None:
            break
        taken.append((method.delivery_tag, properties, body))
        if len(taken) == count:
            break
    channel.cancel()
    return taken


def _to_the_end(queue: str, body: bytes, properties: pika.BasicProperties) -> Message:
    headers = cast(dict[str, Any], properties.headers or {})
    properties.headers = {name: value for name, value in headers.items() if name != _COUNTED_ANEW} or None
    # By the exchange without a name, which leads to the queue of the routing key and to no other.
    return Message(exchange="", routing_key=queue, body=body, properties=properties)
