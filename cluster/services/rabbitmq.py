"""A private RabbitMQ, and epmd, the name server that every Erlang node registers with."""

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import pika
import pika.exceptions

from cluster.packages import rabbitmq_program
from cluster.services.daemon import Daemon
from cluster.services.private import PrivateService
from cluster.services.remembered import Remembered
from schema.errors import StoreUnavailable

USER = "turnstile"


class RabbitMQ(PrivateService):
    """Started through its own script, without systemd, as any user.

    Left alone, RabbitMQ would start an epmd on all addresses and leave it behind. So epmd is started first, on
    loopback and a port of its own, and ended last.
    """

    name = "RabbitMQ"
    key = "rabbitmq"
    need = "rabbitmq"

    def __init__(self, home: Path, remembered: Remembered) -> None:
        super().__init__(home, remembered)
        self._epmd_port = remembered.ports["epmd"]
        self._distribution_port = remembered.ports["rabbitmq_distribution"]
        self._cookie = remembered.passwords["erlang_cookie"]
        self._epmd = Daemon(record=home / "epmd.process", log=home / "epmd.log")

    @property
    def url(self) -> str:
        """The URL of the default virtual host."""
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.port}/%2F"

    def prepare(self) -> None:
        """Write the configuration and have epmd running."""
        settings = {
            "listeners.tcp.local": f"127.0.0.1:{self.port}",
            "default_user": USER,
            "default_pass": self.password,
            "log.console.level": "info",
        }
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        self._write(self.folder / "rabbitmq.conf", "".join(lines))
        self._write(self.folder / "enabled_plugins", "[].\n")
        self._write(self.folder / ".erlang.cookie", self._cookie)
        if self._epmd.process() is None:
            command = [str(shutil.which("epmd")), "-address", "127.0.0.1", "-port", str(self._epmd_port)]
            self._epmd.start(self._as_account(command), self.environment())

    def command(self) -> Sequence[str]:
        """The start script, which stays and passes signals on to the node."""
        return [str(rabbitmq_program())]

    def environment(self) -> dict[str, str]:
        """All that would otherwise point to the system's RabbitMQ."""
        return {
            **super().environment(),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_NODENAME": "turnstile@localhost",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def ping(self) -> None:
        """Log in."""
        ping_rabbitmq(self.url)

    def stop(self) -> None:
        """End the node, then its epmd."""
        super().stop()
        self._epmd.kill()


def ping_rabbitmq(url: str) -> None:
    """Log in, once.

    Raises:
        StoreUnavailable: it does not serve us now; says why.
    """
    try:
        parameters = pika.URLParameters(url)
        # Its port opens when all else is ready; a look at the port first says plainly what pika wraps in layers.
        socket.create_connection((parameters.host, parameters.port), timeout=3).close()
        parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = 5
        pika.BlockingConnection(parameters).close()
    except pika.exceptions.ProbableAuthenticationError as error:
        raise StoreUnavailable("it refuses the user or the password") from error
    except pika.exceptions.ProbableAccessDeniedError as error:
        raise StoreUnavailable("it refuses the virtual host") from error
    except OSError as error:
        raise StoreUnavailable(error.strerror or str(error)) from error
    except (pika.exceptions.AMQPError, ValueError) as error:
        raise StoreUnavailable(str(error) or type(error).__name__) from error
