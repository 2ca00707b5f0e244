"""Locks with fencing tokens: one holder at a time as a rule, and whoever held it before cannot write afterwards.

A lock in Redis is only a promise: its holder may pause until it has expired, Redis may lose it. So each time a lock is
taken its holder gets a token, a number greater than all before, and sends it with what it writes. Where that lies, the
greatest token seen is kept, and writes with a smaller one are refused.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from schema.cache.client import Cache
from schema.cache.families import FENCE, LOCK

FLEET_REPORT: Final = "fleet-report"
"""Who says how cameras are doing."""

# Tokens are the server's microseconds, or one more than the last: they grow even in a Redis that lost the last one.
_TAKE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local now = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
local token = string.format('%.0f', math.max(last + 1, now[1] * 1000000 + now[2]))
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return token
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# KEYS: hashes. ARGV: token, milliseconds to live, then for each how many names and values, and these.
_PUT_FENCED = """
local at, put = 3, 0
for _, key in ipairs(KEYS) do
    local count = tonumber(ARGV[at])
    if tonumber(redis.call('HGET', key, 'fence') or 0) <= tonumber(ARGV[1]) then
        redis.call('DEL', key)
        redis.call('HSET', key, 'fence', ARGV[1], unpack(ARGV, at + 1, at + count))
        redis.call('PEXPIRE', key, ARGV[2])
        put = put + 1
    end
    at = at + 1 + count
end
return put
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A lock that was taken. ``token`` goes with everything that its holder writes."""

    name: str
    token: int
    secret: str = field(repr=False)


class Locks:
    """Locks in one Redis. Each name is one of those above."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._take = cache.script(_TAKE)
        self._renew = cache.script(_RENEW)
        self._release = cache.script(_RELEASE)
        self._put = cache.script(_PUT_FENCED)

    def take(self, name: str, *, ttl_s: float) -> Held | None:
        """Take the lock for ``ttl_s`` seconds; None while somebody else has it.

        Raises:
            CacheAway: Redis does not answer.
            ValueError: nobody may hold a lock for so long.
        """
        if not 0 < ttl_s <= (LOCK.ttl_s or 0):
            raise ValueError(f"a lock is held for {LOCK.ttl_s} s at most, renew it: {ttl_s} s")
        secret = secrets.token_hex(8)
        keys, args = [LOCK.key(name), FENCE.key(name)], [secret, int(ttl_s * 1000)]
        token = self._cache.ask(lambda redis: self._take(keys=keys, args=args, client=redis))
        return None if token is None else Held(name=name, token=int(token), secret=secret)

    def renew(self, held: Held, *, ttl_s: float) -> bool:
        """Hold it for ``ttl_s`` seconds from now; False if it is lost, which the token shows to others too.

        Raises:
            CacheAway: Redis does not answer.
        """
        args = [held.secret, int(ttl_s * 1000)]
        return bool(self._cache.ask(lambda redis: self._renew(keys=[LOCK.key(held.name)], args=args, client=redis)))

    def release(self, held: Held) -> None:
        """Let it go, unless it is lost already.

        Raises:
            CacheAway: Redis does not answer; it goes by itself.
        """
        args = [held.secret]
        self._cache.ask(lambda redis: self._release(keys=[LOCK.key(held.name)], args=args, client=redis))

    def put(self, held: Held, hashes: Mapping[str, Mapping[str, str]], *, ttl_s: float) -> bool:
        """Replace hashes, each unless a later holder has written it; False if one was refused.

        Args:
            held: who writes.
            hashes: fields and values by key.
            ttl_s: how long they are kept.

        Raises:
            CacheAway: Redis does not answer.
        """
        args: list[str | int] = [held.token, int(ttl_s * 1000)]
        for fields in hashes.values():
            args += [2 * len(fields), *(part for pair in fields.items() for part in pair)]
        put = self._cache.ask(lambda redis: self._put(keys=list(hashes), args=args, client=redis))
        return int(put) == len(hashes)
