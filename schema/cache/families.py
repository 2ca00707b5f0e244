"""Every family of keys that lies in Redis, once: its names, how long they live, who writes them, what a loss costs.

All code that touches Redis takes its keys from here. Everything in Redis may be lost at any moment: the server restarts
empty, is emptied, or evicts. ``lost`` says what happens then.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schema.tenants import DEFAULT_TENANT_ID

PREFIX = "turnstile"
DAY_S = 24 * 3600

RedisType = Literal["string", "hash", "channel"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Keys of one kind.

    ``pattern`` has its variable parts in angle brackets. ``ttl_s`` is the longest time for which a key lives after it
    was last written; None for ever. ``bound`` says what keeps the family small.
    """

    name: str
    pattern: str
    type: RedisType
    ttl_s: int | None
    bound: str
    owner: str
    lost: str

    def key(self, *parts: object) -> str:
        """The key with these variable parts, in the pattern's order.

        Raises:
            ValueError: there are more or fewer parts than the pattern has.
        """
        given = iter(parts)
        key = _VARIABLE.sub(lambda _: str(next(given, "")), self.pattern)
        if len(parts) != len(_VARIABLE.findall(self.pattern)):
            raise ValueError(f"keys of '{self.name}' look like {self.pattern}, not {len(parts)} parts")
        return key

    def has(self, key: str) -> bool:
        """Whether this key is of the family."""
        parts = _VARIABLE.split(self.pattern)
        return re.fullmatch("[^:]+".join(re.escape(part) for part in parts), key) is not None


_VARIABLE = re.compile(r"<[^>]+>")

LIVE = Family(
    name="live",
    pattern=f"{PREFIX}:live:<tenant>",
    type="channel",
    ttl_s=None,
    bound="nothing is kept; a slow subscriber is cut off by Redis",
    owner="actors.sinks.redis",
    lost="live clients hear totals once a second, from PostgreSQL",
)
TOTALS = Family(
    name="totals",
    pattern=f"{PREFIX}:totals:<camera>",
    type="hash",
    ttl_s=DAY_S,
    bound="a key a camera, a field a version of a rule",
    owner="actors.sinks.redis",
    lost="rebuilt from PostgreSQL within a second of a restart, else within the hour",
)
BUILT = Family(
    name="built",
    pattern=f"{PREFIX}:built",
    type="string",
    ttl_s=3600,
    bound="one key",
    owner="actors.sinks.redis",
    lost="the totals are rebuilt once more",
)
TODAY = Family(
    name="today",
    pattern=f"{PREFIX}:today:<tenant>:<day>",
    type="hash",
    ttl_s=2 * DAY_S,
    bound="a key a tenant and day, a field a rule",
    owner="schema.cache.today, actors.sinks.redis",
    lost="the next question sums up the day in PostgreSQL",
)
STATUS = Family(
    name="status",
    pattern=f"{PREFIX}:status:<camera>",
    type="hash",
    ttl_s=10,
    bound="a key a camera",
    owner="schema.cache.statuses",
    lost="cameras are shown with the status that PostgreSQL has; back with the next report, in a second",
)
SESSION = Family(
    name="session",
    pattern=f"{PREFIX}:session:<token hash>",
    type="string",
    ttl_s=60,
    bound="a key a session in use; unknown tokens leave none",
    owner="schema.cache.sessions",
    lost="sessions are read from PostgreSQL",
)
ANSWER = Family(
    name="answer",
    pattern=f"{PREFIX}:answer:<tenant>:<digest>",
    type="string",
    ttl_s=3600,
    bound="a mebibyte each at most; the server's maxmemory evicts those unused for longest",
    owner="schema.cache.answers",
    lost="the query runs again",
)
FLIGHT = Family(
    name="flight",
    pattern=f"{PREFIX}:flight:<digest>",
    type="string",
    ttl_s=5,
    bound="a key a query that runs now",
    owner="schema.cache.flights",
    lost="two processes may run the same query at once",
)
LOCK = Family(
    name="lock",
    pattern=f"{PREFIX}:lock:<name>",
    type="string",
    ttl_s=60,
    bound="a key a lock, of those named in the code",
    owner="schema.cache.locks",
    lost="another may take the lock; what the former holder still writes is refused by its older token",
)
FENCE = Family(
    name="fence",
    pattern=f"{PREFIX}:fence:<name>",
    type="string",
    ttl_s=None,
    bound="a number a lock, of those named in the code",
    owner="schema.cache.locks",
    lost="tokens go on from the server's clock, which is ahead of all given so far",
)
FLAGS = Family(
    name="flags",
    pattern=f"{PREFIX}:flags",
    type="hash",
    ttl_s=None,
    bound="a field a flag, of those named in the code",
    owner="schema.cache.flags",
    lost="every flag has its default again",
)

FAMILIES: Sequence[Family] = (
    LIVE,
    TOTALS,
    BUILT,
    TODAY,
    STATUS,
    SESSION,
    ANSWER,
    FLIGHT,
    LOCK,
    FENCE,
    FLAGS,
)


def live_channel(tenant_id: int) -> str:
    """Pub/sub: every change of a tenant's totals, as it was committed. The first tenant's has its old, shorter name."""
    return f"{PREFIX}:live" if tenant_id == DEFAULT_TENANT_ID else LIVE.key(tenant_id)


def family_of(key: str) -> Family | None:
    """The family of a key; None for a stranger's."""
    return next((family for family in FAMILIES if family.has(key)), None)
