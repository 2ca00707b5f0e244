"""What processes under one home leave for each other: who runs the system, and how to join its Ray."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from schema.crypto import make_key_file
from schema.errors import BadInput
from schema.names import RAY_NAMESPACE
from schema.settings import KEYS_FILE_VARIABLE, KEYS_VARIABLE, Settings, named_keys

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """The process that runs the system.

    ``asked_model`` is what its settings name, ``model`` what was opened for it; empty while it is starting.
    """

    pid: int
    asked_model: str
    model: str = ""


@contextlib.contextmanager
def alone(settings: Settings) -> Generator[Callable[[str], None]]:
    """Hold the right to be the one system that runs under this home; gives a function that announces the model.

    Raises:
        BadInput: another process holds it.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with _owner_file(settings).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"turnstile already runs in {settings.home}: stop it with 'turnstile down'") from None

        def announce(model: str) -> None:
            file.truncate(0)
            json.dump(asdict(Owner(pid=os.getpid(), asked_model=settings.model, model=model)), file)
            file.flush()

        announce("")
        yield announce


def owner(settings: Settings) -> Owner | None:
    """Who runs the system under this home; None if nobody does."""
    try:
        file = _owner_file(settings).open()
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Owner(**json.load(file))
        return None


def use_token(settings: Settings) -> None:
    """Let Ray authenticate with a token of this home's own: whoever can read its file may join."""
    settings.home.mkdir(parents=True, exist_ok=True)
    path = settings.home / "ray-token"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    # RAY_AUTH_MODE is left alone: Ray reads it when it is imported, and turns tokens on for a local cluster by itself.
    os.environ.update(RAY_AUTH_TOKEN_PATH=str(path), RAY_USAGE_STATS_ENABLED="0")


def use_keys(settings: Settings) -> None:
    """Let this process, and those that it starts, seal and open with the keys that the settings name.

    Where they name none, a private key file is made under the home, and the log says so. A process has one keyring: the
    first settings that come by decide. Whether the keys are right is found out when they are needed: nothing else, like
    stopping, should fail for their sake.

    Raises:
        BadInput: no key file can be made.
    """
    named = named_keys()
    if named.text is None and named.file is None:
        if settings.keys is not None:
            os.environ[KEYS_VARIABLE] = settings.keys
        else:
            file = settings.keys_file or settings.home / "keys"
            if settings.keys_file is None and make_key_file(file):
                log.info("Made a key file for sealed columns: keep a copy of it", file=str(file))
            os.environ[KEYS_FILE_VARIABLE] = str(file)


def join_ray(settings: Settings) -> None:
    """Connect this process to the Ray of the system that runs under this home; Ray must not be imported before."""
    use_token(settings)
    os.environ["RAY_AUTH_MODE"] = "token"
    import ray

    address = ray_address_file(settings).read_text()
    ray.init(address=address, namespace=RAY_NAMESPACE, log_to_driver=False, logging_level=40)


def ray_address_file(settings: Settings) -> Path:
    """Where the address of the running system's Ray is written."""
    return settings.home / "ray-address"


def _owner_file(settings: Settings) -> Path:
    return settings.home / "turnstile.owner"
