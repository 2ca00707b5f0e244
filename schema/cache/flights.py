"""Single-flight: of many who miss the same thing at once, one fetches it, in this process and across processes."""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any, TypeVar, cast

from redis import Redis

from schema.cache.client import Cache, CacheAway
from schema.cache.families import FLIGHT

PATIENCE_S = float(FLIGHT.ttl_s or 5)
"""How long others wait for whoever fetches. If he died, they fetch it themselves after this time at the latest."""
_POLL_S = 0.005

_Value = TypeVar("_Value")

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Flights:
    """What is being fetched now. Shared by threads; other processes are met in Redis, while it is there."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._release = cache.script(_RELEASE)
        self._here: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def once(self, digest: str, find: Callable[[], _Value | None], fetch: Callable[[], _Value]) -> _Value:
        """The value that ``fetch`` gives, called as seldom as possible.

        Args:
            digest: names the value; what one caller fetches must be right for every other caller with this name.
            find: looks in Redis whether it has been fetched; None if not. It may raise ``CacheAway``.
            fetch: fetches it, and lays it down where ``find`` finds it.

        Raises:
            Exception: what ``fetch`` raises; others who waited then fetch it themselves.
        """
        with self._lock:
            other = self._here.get(digest)
            own = self._here.setdefault(digest, Future()) if other is None else None
        if own is None:
            with suppress(FutureTimeout, _Failed):
                return cast(_Value, cast(Future[Any], other).result(PATIENCE_S))
            return fetch()
        try:
            value = self._once_among_processes(digest, find, fetch)
        except BaseException:
            own.set_exception(_Failed())
            raise
        else:
            own.set_result(value)
            return value
        finally:
            with self._lock:
                del self._here[digest]

    def _once_among_processes(
        self, digest: str, find: Callable[[], _Value | None], fetch: Callable[[], _Value]
    ) -> _Value:
        key, token = FLIGHT.key(digest), secrets.token_hex(8)
        deadline_s = time.monotonic() + PATIENCE_S
        try:
            while not self._cache.ask(lambda redis: _take(redis, key, token)):
                if (value := find()) is not None:
                    return value
                if time.monotonic() > deadline_s:
                    return fetch()
                time.sleep(_POLL_S)
        except CacheAway:
            return fetch()
        try:
            value = None
            with suppress(CacheAway):
                value = find()  # whoever had the key before may have been done just now
            return fetch() if value is None else value
        finally:
            with suppress(CacheAway):
                self._cache.ask(lambda redis: self._release(keys=[key], args=[token], client=redis))


class _Failed(Exception):
    """The one who fetched could not."""


def _take(redis: Redis, key: str, token: str) -> bool:
    return bool(redis.set(key, token, nx=True, px=int(PATIENCE_S * 1000)))
