"""A Redis that may be gone: whoever asks it gets an answer, or hears quickly that there is none."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from schema.errors import Retryable

TIMEOUT_S = 0.25
"""Longer than Redis ever takes, shorter than what a request may take."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0

_Answer = TypeVar("_Answer")
_log = structlog.get_logger(__name__)


class CacheAway(Retryable):
    """Redis did not answer, or is not asked for the moment because it lately did not: go to PostgreSQL."""


class Breaker:
    """Who asks after a failure is told no at once; one after each pause may try, and a success ends it.

    Pauses double up to the longest. Safe to use from several threads.
    """

    def __init__(self, *, first_pause_s: float = FIRST_PAUSE_S, longest_pause_s: float = LONGEST_PAUSE_S) -> None:
        self._first_s = first_pause_s
        self._longest_s = longest_pause_s
        self._pause_s = 0.0
        self._closed_until_s = 0.0
        self._lock = threading.Lock()

    def may_try(self, now_s: float) -> bool:
        """Whether to ask now; of those who come after a pause, only the first may."""
        with self._lock:
            if self._pause_s == 0.0:
                return True
            if now_s < self._closed_until_s:
                return False
            self._pause_s = min(2 * self._pause_s, self._longest_s)
            self._closed_until_s = now_s + self._pause_s
            return True

    def failed(self, now_s: float) -> bool:
        """Note a failure; True for the first one, which is worth a line in the log."""
        with self._lock:
            first = self._pause_s == 0.0
            if first:  # several that were on their way fail together, and count once
                self._pause_s = self._first_s
                self._closed_until_s = now_s + self._pause_s
            return first

    def succeeded(self) -> bool:
        """Note an answer; True for the first one after a failure."""
        with self._lock:
            again, self._pause_s = self._pause_s > 0.0, 0.0
            return again


class Cache:
    """A client of one Redis, shared by threads. It blocks for a quarter of a second at most, and seldom does."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Connect when first needed.

        Args:
            url: ``redis://…`` or ``rediss://…``.
            timeout_s: to connect, and to wait for an answer.
            clock: seconds that never go back.

        Raises:
            ValueError: the address has another form.
        """
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # Once: a pooled connection may have died with a restart of the server, a fresh one has not. Silence is an
            # answer.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._clock = clock
        self._breaker = Breaker()

    def ask(self, question: Callable[[Redis], _Answer]) -> _Answer:
        """What Redis says.

        Raises:
            CacheAway: it does not answer, or refused (it is full, or something else lies under the key).
        """
        if not self._breaker.may_try(self._clock()):
            raise CacheAway("Redis lately did not answer")
        try:
            answer = question(self._redis)
        except ResponseError as error:
            self._breaker.succeeded()
            raise CacheAway(f"Redis refuses: {type(error).__name__}") from error
        except (RedisError, OSError) as error:
            if self._breaker.failed(self._clock()):
                _log.warning("Redis is away, PostgreSQL answers instead", error=type(error).__name__)
            raise CacheAway(f"Redis does not answer: {type(error).__name__}") from error
        if self._breaker.succeeded():
            _log.info("Redis answers again")
        return answer

    def script(self, lua: str) -> Callable[..., Any]:
        """A Lua script to be called with ``keys``, ``args`` and ``client``, which runs it under its hash."""
        return self._redis.register_script(lua)

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()
