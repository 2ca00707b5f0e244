"""Changing messages that wait: what names a person who is erased must not lie in a queue."""

from collections.abc import Callable, Sequence

from pika.connection import Parameters

from actors.queue.confirms import Message
from actors.queue.passing import Taken, kept, pass_through


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
    changed = 0

    def decide(taken: Sequence[Taken]) -> list[Message]:
        nonlocal changed
        told = [change(message.body) for message in taken]
        changed += sum(body != message.body for body, message in zip(told, taken, strict=True))
        return [kept(queue, message, body) for body, message in zip(told, taken, strict=True)]

    pass_through(parameters, queue, decide)
    return changed
