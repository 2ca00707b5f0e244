"""Feature flags: switches that take effect in seconds, without a restart.

Their truth lies in Redis, and a Redis that is emptied forgets it: every flag then has its default again. So a flag may
only ever choose between two right ways of doing something, and its default is the one to live with.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from schema.cache.client import Cache, CacheAway
from schema.cache.families import FLAGS
from schema.errors import BadInput

_FRESH_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """A switch that the code asks for."""

    name: str
    default: bool
    help: str


CACHED_COUNTS = Flag(name="cached-counts", default=True, help="Answer counts from memory where nothing has changed.")
LIVE_STATUS = Flag(name="live-status", default=True, help="Report how cameras are doing, every second.")

KNOWN: Sequence[Flag] = (CACHED_COUNTS, LIVE_STATUS)


class Flags:
    """Reads flags, at most once a second, and sets them."""

    def __init__(self, cache: Cache, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read when first asked.

        Args:
            cache: where they are.
            clock: seconds that never go back.
        """
        self._cache = cache
        self._clock = clock
        self._set: Mapping[str, bool] = {}
        self._fresh_until_s = float("-inf")

    def on(self, flag: Flag) -> bool:
        """Whether it is on: as set, or its default where it is not set, Redis is away or has lost it."""
        now_s = self._clock()
        if now_s >= self._fresh_until_s:
            self._fresh_until_s = now_s + _FRESH_S
            self._set = {}
            with suppress(CacheAway):
                self._set = self.read()
        return self._set.get(flag.name, flag.default)

    def read(self) -> Mapping[str, bool]:
        """The flags that are set, by name.

        Raises:
            CacheAway: Redis does not answer.
        """
        fields = self._cache.ask(lambda redis: redis.hgetall(FLAGS.key()))
        return {_text(name): _text(value) == "on" for name, value in fields.items()}

    def put(self, flag: Flag, on: bool | None) -> None:
        """Set it, or with None leave it to its default.

        Raises:
            CacheAway: Redis does not answer.
        """
        if on is None:
            self._cache.ask(lambda redis: redis.hdel(FLAGS.key(), flag.name))
        else:
            value = "on" if on else "off"
            self._cache.ask(lambda redis: redis.hset(FLAGS.key(), flag.name, value))
        self._fresh_until_s = float("-inf")


def named(name: str) -> Flag:
    """The flag of this name.

    Raises:
        BadInput: there is none.
    """
    for flag in KNOWN:
        if flag.name == name:
            return flag
    raise BadInput(f"there is no flag '{name}': known are {', '.join(flag.name for flag in KNOWN)}")


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
