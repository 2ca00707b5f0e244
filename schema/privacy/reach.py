"""Everything that an erasure must get at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from schema.cache.sessions import SessionCache
from schema.ports import FileStore

Change = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """PostgreSQL, the file storage, Redis and RabbitMQ.

    ``waiting`` gives how many messages wait in the queues that may name somebody. ``rewrite`` has each of them say what
    a function makes of its body, and gives how many were changed, by queue.
    """

    engine: Engine
    files: FileStore
    sessions: SessionCache
    waiting: Callable[[], Mapping[str, int]]
    rewrite: Callable[[Change], Mapping[str, int]]
