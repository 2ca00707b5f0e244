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
    while left > 0:
        copies: list[Message] = []
        last_tag = 0
        for _ in range(min(left, BATCH)):
            method, properties, body = channel.basic_get(queue)
            if method is None or properties is None or body is None:
                left = 0
                break
            last_tag = method.delivery_tag
            told = change(body)
            changed += told != body
            copies.append(_to_the_end(queue, told, properties))
        if copies:
            publisher.publish(copies)
            channel.basic_ack(last_tag, multiple=True)
        left -= len(copies)
    return changed


def _to_the_end(queue: str, body: bytes, properties: pika.BasicProperties) -> Message:
    headers = cast(dict[str, Any], properties.headers or {})
    properties.headers = {name: value for name, value in headers.items() if name != _COUNTED_ANEW} or None
    # By the exchange without a name, which leads to the queue of the routing key and to no other.
    return Message(exchange="", routing_key=queue, body=body, properties=properties)
