"""Errors, classed by what the caller does next.

- ``BadInput``: a person gave something wrong. Say it in one sentence that names the thing and the fix; exit 2 or 4xx.
- ``Retryable``: the world failed for now. Back off, try again, show it in metrics.
- ``Permanent``: trying again cannot help. Stop this piece of work, keep the rest going.
"""


class TurnstileError(Exception):
    """Base of every error that the project raises on purpose."""


class BadInput(TurnstileError):
    """Wrong input from a person; the message is one sentence that names the thing and the fix."""


class NotFound(BadInput):
    """A person named something that is not there."""


class AlreadyExists(BadInput):
    """A person wants to make something under a name that is taken."""


class Retryable(TurnstileError):
    """The world failed for now: retry with back-off."""


class SourceLost(Retryable):
    """A live source stopped giving frames (silence, reset, end of stream)."""


class DetectorUnavailable(Retryable):
    """The detector did not answer: its replica died, is starting, or is over-full."""


class StoreUnavailable(Retryable):
    """PostgreSQL, Redis, RabbitMQ or the file storage did not answer."""


class Permanent(TurnstileError):
    """Trying again cannot help."""


class StaleLease(Permanent):
    """The camera has been given to another worker: stop writing for it."""
