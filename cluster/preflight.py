"""What is looked at before anything starts: faults of the settings are said at once, and nothing is half started."""

import socket

import structlog

from cluster.rotation import check_keys
from cluster.services import Endpoints
from schema.database import open_engine
from schema.errors import BadInput, Retryable
from schema.settings import KEYS_VARIABLE, Settings, named_keys
from schema.storage import open_storage

log = structlog.get_logger(__name__)


def check_port(settings: Settings) -> None:
    """Whether the API can listen.

    Raises:
        BadInput: its port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.api.host, settings.api.port))
        except OSError as error:
            raise BadInput(
                f"the API cannot listen on {settings.api.host}:{settings.api.port} ({error.strerror}): "
                "set api.port to a free one"
            ) from None


def check_sealed(settings: Settings, endpoints: Endpoints) -> None:
    """Whether our keys open what the database holds, here and in the processes of a cluster.

    Raises:
        BadInput: they do not.
    """
    if settings.ray_address is not None and named_keys().text is not None:
        raise BadInput(
            f"{KEYS_VARIABLE} does not reach the processes of a Ray cluster: put the keys into a file on its head, and "
            "name that in keys_file"
        )
    engine = open_engine(endpoints.postgres_dsn, pool_size=1)
    try:
        check_keys(engine)
    finally:
        engine.dispose()


def check_storage(settings: Settings) -> None:
    """Whether files can be kept. A wrong storage is said so at once; one that is away delays files, not counting.

    Raises:
        BadInput: it refuses us.
    """
    try:
        open_storage(settings.storage).check()
    except Retryable as error:
        log.warning("File storage is away, files will wait", error=str(error))
