"""Answers of queries, kept under a name that says what they are made of: they are never invalidated, only unused."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from schema.cache.client import Cache, CacheAway
from schema.cache.families import ANSWER
from schema.cache.flights import Flights

MAX_BYTES = 2**20


def digest_of(*parts: object) -> str:
    """A short name for everything that an answer depends on; parts are told apart."""
    return blake2b(repr(parts).encode(), digest_size=20).hexdigest()


class Answers:
    """Remembers answers as bytes, compressed. Safe to call from several threads."""

    def __init__(self, cache: Cache, *, on_answer: Callable[[bool], None]) -> None:
        """Know nothing but what lies in Redis.

        Args:
            cache: where answers lie.
            on_answer: told of every answer whether it was remembered, for metrics.
        """
        self._cache = cache
        self._flights = Flights(cache)
        self._on_answer = on_answer

    def get(self, tenant_id: int, digest: str, fetch: Callable[[], bytes]) -> bytes:
        """The answer of this name, remembered or fetched; of many who miss it at once, one fetches it.

        Args:
            tenant_id: whose answer it is.
            digest: of the question and of the state of everything that it depends on.
            fetch: gives the answer. It must read the very state that the digest names.

        Raises:
            Exception: what ``fetch`` raises.
        """
        key = ANSWER.key(tenant_id, digest)
        fetched = False

        def find() -> bytes | None:
            known: Any = self._cache.ask(lambda redis: redis.get(key))
            return None if known is None else zlib.decompress(known)

        def fetch_and_keep() -> bytes:
            nonlocal fetched
            fetched = True
            answer = fetch()
            packed = zlib.compress(answer, level=1)
            if len(packed) <= MAX_BYTES:
                with suppress(CacheAway):
                    self._cache.ask(lambda redis: redis.set(key, packed, ex=ANSWER.ttl_s))
            return answer

        known = None
        with suppress(CacheAway):
            known = find()
        if known is None:
            known = self._flights.once(f"{tenant_id}-{digest}", find, fetch_and_keep)
        self._on_answer(not fetched)
        return known
