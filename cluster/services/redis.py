"""A private Redis."""

from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cluster.packages import redis_program
from cluster.services.private import PrivateService
from schema.errors import StoreUnavailable

# When memory is full, what goes is what was unused for longest, of the keys that expire: remembered answers first. Not
# what expires soonest (volatile-ttl), which is a lock, and not any key (allkeys-lru), which could be a flag.
_MEMORY = {"maxmemory": "256mb", "maxmemory-policy": "volatile-lru"}


class Redis(PrivateService):
    """Keeps nothing on disk: all that it holds can be built again from PostgreSQL, and a restart finds it empty."""

    name = "Redis"
    key = "redis"
    need = "redis"

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration."""
        address = {"bind": "127.0.0.1", "port": self.port, "requirepass": self.password, "dir": self.folder}
        lines = [f"{key} {value}" for key, value in (address | _MEMORY).items()]
        self._write(self._configuration, "\n".join([*lines, 'save ""', "appendonly no", ""]))

    def command(self) -> Sequence[str]:
        """The server in the foreground."""
        return [str(redis_program()), str(self._configuration)]

    def ping(self) -> None:
        """Ask it for a pong."""
        ping_redis(self.url)

    @property
    def _configuration(self) -> Path:
        return self.folder / "redis.conf"


def ping_redis(url: str) -> None:
    """Connect and ask for a pong, once.

    Raises:
        StoreUnavailable: it does not serve us now; says why.
    """
    try:
        with redis.Redis.from_url(
            url, socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), retries=0)
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StoreUnavailable(str(error).rstrip(".")) from error
