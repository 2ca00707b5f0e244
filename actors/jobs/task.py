"""What a handler of jobs gets, and what it may answer with.

    returns a mapping    the job is done, and this is its result
    raises Retryable     the world failed for now: tried again later, as often as it takes
    raises BadInput,     the job cannot be done: it has failed, with this sentence
           Permanent
    anything else        an attempt failed: tried again later, ``worker.ATTEMPTS`` times in all

A job may be begun more than once, by another process, while the former holder still believes it has it. So effects
must be the same when they are repeated (an upsert, a file named by its content), or fenced by ``Task.lease_epoch``.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from schema.errors import Permanent
from schema.jobs import Job


class Over(Permanent):
    """The job is no longer this worker's to do: it was cancelled, or another worker has it."""


class Cancelled(Over):
    """Somebody cancelled the job: undo what would go on by itself."""


class Task:
    """A job in hand. ``report`` and ``check`` may be called from any thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._lock = threading.Lock()
        self._progress = (job.progress, job.message)
        self._over: Over | None = None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What was asked for; a model of ``schema.jobs`` reads it."""
        return self.job.arguments

    def report(self, progress: float, message: str) -> None:
        """Say how far it is, 0..1; it is stored within seconds, and calling it often costs nothing.

        Raises:
            Over: stop; whatever is done from now on is not wanted.
        """
        with self._lock:
            self._progress = (min(max(progress, 0.0), 1.0), message)
        self.check()

    def check(self) -> None:
        """Whether to go on.

        Raises:
            Over: as ``report``.
        """
        with self._lock:
            if self._over is not None:
                raise self._over

    @property
    def progress(self) -> tuple[float, str]:
        """What was reported last."""
        with self._lock:
            return self._progress

    def end(self, over: Over) -> None:
        """Let the next ``report`` or ``check`` raise this."""
        with self._lock:
            self._over = over


Handler = Callable[[Task], Mapping[str, Any]]
