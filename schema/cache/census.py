"""What lies in a Redis: keys by family, and whether its memory is bounded."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schema.cache.client import Cache
from schema.cache.families import FAMILIES, FENCE, FLAGS, LOCK, family_of

POLICY: Final = "volatile-lru"
KEPT: Final = (FLAGS, LOCK, FENCE)
"""Families that PostgreSQL knows nothing of."""
_BATCH = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Census:
    """Keys by family (other programs' under ``other``), and memory in bytes; ``limit_bytes`` 0 is no limit."""

    keys: Mapping[str, int]
    other: int
    used_bytes: int
    limit_bytes: int
    policy: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be changed about this server, a sentence each."""
        found: list[str] = []
        if not self.limit_bytes:
            found.append(f"Redis has no maxmemory: set one, and maxmemory-policy {POLICY}")
        elif not self.policy.startswith("volatile-l"):
            found.append(f"Redis has maxmemory-policy {self.policy}: {POLICY} forgets remembered answers first")
        return tuple(found)


def take(cache: Cache) -> Census:
    """Count keys and memory; walks through all keys, in batches that hold nobody up.

    Raises:
        CacheAway: Redis does not answer.
    """
    counted = Counter[str]()
    for key in _keys(cache):
        family = family_of(key)
        counted["" if family is None else family.name] += 1
    memory: Any = cache.ask(lambda redis: redis.info("memory"))
    return Census(
        keys={family.name: counted[family.name] for family in FAMILIES if family.type != "channel"},
        other=counted[""],
        used_bytes=memory["used_memory"],
        limit_bytes=memory["maxmemory"],
        policy=memory["maxmemory_policy"],
    )


def clear(cache: Cache) -> int:
    """Forget all that can be read from PostgreSQL again: not flags, locks, or keys of other programs.

    Returns:
        How many keys are gone.

    Raises:
        CacheAway: Redis does not answer; some may be gone.
    """
    gone = 0
    for key in _keys(cache):
        family = family_of(key)
        if family is not None and family not in KEPT:
            gone += int(cache.ask(lambda redis, key=key: redis.unlink(key)))
    return gone


def _keys(cache: Cache) -> list[str]:
    keys: set[str] = set()
    cursor = 0
    while True:
        answer: Any = cache.ask(lambda redis, cursor=cursor: redis.scan(cursor, count=_BATCH))
        cursor, found = answer
        keys.update(key.decode(errors="replace") for key in found)
        if not cursor:
            return sorted(keys)
