"""A run of the tiers in a process of its own, which may die by its own hand at a given piece of work."""

import os
import resource
import signal
from multiprocessing import get_context
from multiprocessing.connection import Connection

from actors.tiers.run import run_due
from schema.database import open_engine
from schema.settings import StorageSettings
from schema.storage import open_storage

# Each run is forked off a process that has imported everything, which saves it seconds.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def run_apart(dsn: str, url: str, now_ns: int, *, dies_at: int = 0, most_bytes: int = 0) -> list[str | None]:
    """Run until the end, or until piece of work ``dies_at``, counted from 1. No file may grow beyond ``most_bytes``.

    Returns:
        The error of each step.

    Raises:
        ProcessLookupError: it died.
    """
    receiving, sending = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(dsn, url, now_ns, dies_at, most_bytes, sending))
    process.start()
    sending.close()
    try:
        return receiving.recv()
    except EOFError:
        process.join()
        raise ProcessLookupError(f"died with {process.exitcode}") from None
    finally:
        process.join()
        process.close()
        receiving.close()


def _run(dsn: str, url: str, now_ns: int, dies_at: int, most_bytes: int, sending: Connection) -> None:
    done = 0

    def tell(_: str) -> None:
        nonlocal done
        done += 1
        if done == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if most_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails then, as it does on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    engine = open_engine(dsn)
    steps = run_due(engine, open_storage(StorageSettings(url=url)), now_ns=now_ns, tell=tell)
    engine.dispose()
    sending.send([step.error for step in steps])
