"""Servers that the settings name: checked, and otherwise left alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cluster.services.postgres import ping_postgres
from cluster.services.rabbitmq import ping_rabbitmq
from cluster.services.redis import ping_redis
from schema.errors import BadInput, StoreUnavailable
from schema.sources import redact


@dataclass(frozen=True, kw_only=True)
class GivenService:
    """``key`` is the setting to correct when the address is wrong."""

    name: str
    url: str = field(repr=False)
    key: str
    default_port: int
    ping_url: Callable[[str], None]

    @property
    def running(self) -> bool:
        """Whether it serves us now."""
        try:
            self.ping_url(self.url)
        except StoreUnavailable:
            return False
        return True

    def start(self) -> None:
        """Check that it serves us; starting it is its owner's business.

        Raises:
            BadInput: it does not; names host and port.
        """
        try:
            self.ping_url(self.url)
        except StoreUnavailable as error:
            reason = redact(str(error))
            raise BadInput(
                f"{self.name} at {self._address} does not serve us ({reason}): start it, or correct {self.key}"
            ) from None

    def stop(self) -> None:
        """Leave it running: it is not ours."""

    @property
    def _address(self) -> str:
        try:
            parts = urlsplit(self.url)
            port = parts.port or self.default_port
        except ValueError:
            return "an unreadable address"
        return f"{parts.hostname or 'localhost'}:{port}"


def given_postgres(dsn: str) -> GivenService:
    """A PostgreSQL under this DSN."""
    return GivenService(name="PostgreSQL", url=dsn, key="postgres_dsn", default_port=5432, ping_url=ping_postgres)


def given_redis(url: str) -> GivenService:
    """A Redis under this URL."""
    return GivenService(name="Redis", url=url, key="redis_url", default_port=6379, ping_url=ping_redis)


def given_rabbitmq(url: str) -> GivenService:
    """A RabbitMQ under this URL."""
    return GivenService(name="RabbitMQ", url=url, key="amqp_url", default_port=5672, ping_url=ping_rabbitmq)
