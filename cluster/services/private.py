"""A private server on loopback: started on its own data, found again, stopped, or killed to see what happens."""

import os
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from cluster.services.daemon import Account, Daemon
from cluster.services.remembered import Remembered, is_free
from schema.errors import Permanent, StoreUnavailable

_POLL_S = 0.05


class PrivateService(ABC):
    """One of PostgreSQL, Redis, RabbitMQ; its address stays the same however often it is stopped and started."""

    name: str
    key: str
    need: str  # of cluster.packages
    stop_signal = signal.SIGTERM
    start_patience_s = 60.0
    stop_patience_s = 30.0

    def __init__(self, home: Path, remembered: Remembered) -> None:
        self.folder = remembered.data / self.key
        self.account = Account.choose(self.key)
        self.port = remembered.ports[self.key]
        self.passwords = remembered.passwords
        self.password = remembered.passwords[self.key]
        self._daemon = Daemon(record=home / f"{self.key}.process", log=home / f"{self.key}.log")

    @property
    @abstractmethod
    def url(self) -> str:
        """The address to connect to, password included."""

    @abstractmethod
    def prepare(self) -> None:
        """Bring data and configuration into being where they are not there yet."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What to run; it stays in the foreground."""

    @abstractmethod
    def ping(self) -> None:
        """Be a client for a moment.

        Raises:
            StoreUnavailable: it does not serve us now; says why.
        """

    def environment(self) -> dict[str, str]:
        """What the program finds in its environment: the least that it needs."""
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    @property
    def running(self) -> bool:
        """Whether the process that we started still runs."""
        return self._daemon.process() is not None

    @property
    def port_is_taken(self) -> bool:
        """Whether a stranger listens on our port."""
        return not self.running and not is_free(self.port)

    def start(self) -> None:
        """Start it unless it runs, and return when it serves clients.

        Raises:
            Permanent: it ended or did not serve in time; quotes its last words.
        """
        if not self.running:
            self._own(self.folder)
            self.prepare()
            self._daemon.start(self._as_account(self.command()), self.environment())
        deadline = time.monotonic() + self.start_patience_s
        while True:
            try:
                return self.ping()
            except StoreUnavailable as error:
                if not self.running:
                    raise Permanent(
                        f"{self.name} ended at start: {self._daemon.last_words()} ({self._daemon.log})"
                    ) from None
                if time.monotonic() > deadline:
                    raise Permanent(
                        f"{self.name} does not serve us after its start: {error} ({self._daemon.log})"
                    ) from None
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it in good order; what it has acknowledged is on disk."""
        self._daemon.stop(self.stop_signal, self.stop_patience_s)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._daemon.kill()

    def _as_account(self, command: Sequence[str]) -> list[str]:
        return self.account.wrap(command) if self.account else list(command)

    def _own(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            shutil.chown(folder, self.account.uid, self.account.gid)

    def _write(self, path: Path, text: str) -> None:
        """A file that only the server's user can read: most of these hold a password."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
        if self.account:
            shutil.chown(path, self.account.uid, self.account.gid)
