"""PostgreSQL, Redis and RabbitMQ for every command: those that the settings name, else private ones on this machine."""

import fcntl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cluster.home import use_keys
from cluster.packages import ensure
from cluster.services.given import GivenService, given_postgres, given_rabbitmq, given_redis
from cluster.services.postgres import Postgres
from cluster.services.private import PrivateService
from cluster.services.rabbitmq import RabbitMQ
from cluster.services.redis import Redis
from cluster.services.remembered import Remembered, choose_ports_again, is_free, recall
from schema.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the services are. The addresses hold passwords and are not shown.

    ``postgres_owner_dsn`` is for what changes tables: migrations, partitions, tenants. ``postgres_dsn`` is for all else
    and need not be able to.
    """

    postgres_dsn: str = field(repr=False)
    postgres_owner_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    amqp_url: str = field(repr=False)


class Services:
    """The three services that the settings ask for, as ``postgres``, ``redis`` and ``rabbitmq``.

    ``start`` and ``stop`` act on all private ones, whichever process started them. As a context manager it leaves
    things as it found them: it stops only what it started itself. With ``database_only`` it starts PostgreSQL alone,
    which takes a second where all three take ten.

    From here on the process has the keys of what is sealed in the database, too (``cluster.home.use_keys``).
    """

    def __init__(self, settings: Settings, *, database_only: bool = False) -> None:
        self._settings = settings
        self._database_only = database_only
        self._started: list[PrivateService] = []
        self._use = ExitStack()
        self._arrange(recall(settings.home))
        use_keys(settings)

    def _arrange(self, remembered: Remembered) -> None:
        home, settings = self._settings.home, self._settings
        dsn, redis_url, amqp_url = settings.postgres_dsn, settings.redis_url, settings.amqp_url
        self.postgres = given_postgres(dsn) if dsn else Postgres(home, remembered)
        self.redis = given_redis(redis_url) if redis_url else Redis(home, remembered)
        self.rabbitmq = given_rabbitmq(amqp_url) if amqp_url else RabbitMQ(home, remembered)

    @property
    def all(self) -> tuple[PrivateService | GivenService, ...]:
        """PostgreSQL, Redis, RabbitMQ."""
        return (self.postgres, self.redis, self.rabbitmq)

    @property
    def endpoints(self) -> Endpoints:
        """Where they are, or would be when started."""
        if isinstance(self.postgres, Postgres):
            dsn, owner_dsn = self.postgres.service_url, self.postgres.owner_url
        else:
            dsn = self.postgres.url
            owner_dsn = self._settings.postgres_owner_dsn or dsn
        return Endpoints(
            postgres_dsn=dsn, postgres_owner_dsn=owner_dsn, redis_url=self.redis.url, amqp_url=self.rabbitmq.url
        )

    def start(self) -> Endpoints:
        """Start what does not run yet, side by side, and return when all serve.

        Raises:
            BadInput: a server that the settings name does not answer, or programs are missing and we may not install
                them.
            Permanent: a private server does not start; what this call started is stopped again.
        """
        for service in self._wanted:
            if isinstance(service, GivenService):
                service.start()  # says at once what is wrong, before anything is started for nothing
        with self._alone():
            self._choose_free_ports()
            private = [service for service in self._wanted if isinstance(service, PrivateService)]
            idle = [service for service in private if not service.running]
            ensure(*(service.need for service in idle))
            self._started += idle
            try:
                with ThreadPoolExecutor(max_workers=len(self.all)) as pool:
                    starts = [pool.submit(service.start) for service in private]
                for start in starts:
                    start.result()
            except BaseException:
                self._stop(self._started)
                raise
        return self.endpoints

    def stop(self) -> None:
        """Stop all private ones that run."""
        with self._alone():
            self._stop(self._private)

    def __enter__(self) -> "Services":
        """Start, and be known as a user until the end."""
        self._use.enter_context(self._used())
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what ``start`` of this object started, unless others have come to use it."""
        with self._alone():
            self._use.close()
            if not self._is_used():
                self._stop(self._started)

    @property
    def _wanted(self) -> tuple[PrivateService | GivenService, ...]:
        return (self.postgres,) if self._database_only else self.all

    @property
    def _private(self) -> list[PrivateService]:
        return [service for service in self.all if isinstance(service, PrivateService)]

    def _stop(self, services: list[PrivateService]) -> None:
        with ThreadPoolExecutor(max_workers=len(self.all)) as pool:
            list(pool.map(lambda service: service.stop(), services))
        self._started = []

    def _choose_free_ports(self) -> None:
        """Take other ports, if a stranger took one while none of ours ran."""
        home = self._settings.home
        remembered = recall(home)
        if not any(service.running for service in self._private):
            self._stop(self._private)  # a crash may have left a helper of theirs on its port
            if not all(is_free(port) for port in remembered.ports.values()):
                remembered = choose_ports_again(home, remembered)
        self._arrange(remembered)

    @contextmanager
    def _used(self) -> Iterator[None]:
        with self._users_file.open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            yield

    def _is_used(self) -> bool:
        with self._users_file.open("w") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def _users_file(self) -> Path:
        """Locked, shared, by every process that uses the services."""
        return self._settings.home / "services.users"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands that start at once must not start two servers on the same data."""
        with (self._settings.home / "services.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
