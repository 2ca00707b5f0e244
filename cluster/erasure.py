"""What an erasure reaches, put together from the services that run."""

from functools import partial
from typing import Final

from pika.connection import Parameters
from sqlalchemy import Engine

from actors.queue.rewriting import rewrite
from actors.queue.topology import declare, depths, parameters_of
from schema.cache.client import Cache
from schema.cache.sessions import SessionCache
from schema.names import ALERTS_QUEUE, DEAD_LETTER_QUEUE
from schema.ports import FileStore
from schema.privacy.reach import Change, Reach

QUEUES: Final = (ALERTS_QUEUE, DEAD_LETTER_QUEUE)
"""Those with messages that have a sentence in them, or anything; the others hold numbers and words of ours."""


def reach_of(engine: Engine, files: FileStore, *, redis_url: str, amqp_url: str) -> Reach:
    """All stores; nothing is connected yet.

    Args:
        engine: PostgreSQL, of all tenants.
        files: the file storage.
        redis_url: Redis.
        amqp_url: RabbitMQ.
    """
    parameters = parameters_of(amqp_url)
    return Reach(
        engine=engine,
        files=files,
        sessions=SessionCache(Cache(redis_url)),
        waiting=partial(_waiting, parameters),
        rewrite=partial(_rewrite, parameters),
    )


def _waiting(parameters: Parameters) -> dict[str, int]:
    declare(parameters)
    return {queue: depth.ready for queue, depth in depths(parameters, QUEUES).items()}


def _rewrite(parameters: Parameters, change: Change) -> dict[str, int]:
    return {queue: rewrite(parameters, queue, change) for queue in QUEUES}
