"""Ending a command that runs until it is told to stop."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def asked_to_stop() -> Generator[threading.Event]:
    """Set by Ctrl-C and by SIGTERM, which ``turnstile down`` sends; a second one interrupts as usual.

    To be entered after Ray has started, which takes SIGTERM for itself.
    """
    stop = threading.Event()

    def note(signum: int, _frame: object) -> None:
        stop.set()
        signal.signal(signum, signal.default_int_handler)

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
