"""Which days the latest crossings of a rule fell into: what makes answers about other days stay true. Pure.

PostgreSQL counts a rule's crossings in the transaction that stores them, so the sums of every day are settled by that
one number: equal number, equal sums. But the number grows with every crossing of today, and an answer about last week
would be thrown away each time. So whoever tells Redis of a commit also notes there, in one hash a rule, which days it
touched:

    history  which PostgreSQL, and which of its timelines: after a failover numbers may repeat with other crossings
    from     the log is complete for everything after this number,
    to       up to this one
    <day>    the number at the day's last touch; days are counted since 1970 UTC

A commit that does not begin where the log ends starts it anew, so a log never lacks anything between ``from`` and
``to``. A reader takes the number from PostgreSQL, and believes the log only if it reaches that far. Then the days' last
touch names their state. A log that is lost, late or torn makes readers fall back on the number itself: they read more
than they need, and never anything old.
"""

from collections.abc import Mapping

from schema.times import MINUTE_NS

DAY_NS = 24 * 60 * MINUTE_NS
MAX_DAYS = 64
"""A log of more days starts anew: recordings of a long time are read once."""

# KEYS: logs. ARGV: history, seconds to live, most fields, then for each log: number before, number after, days joined
# by a comma.
NOTE = """
for i, key in ipairs(KEYS) do
    local before, after, days = ARGV[3 * i + 1], ARGV[3 * i + 2], ARGV[3 * i + 3]
    local known = redis.call('HMGET', key, 'history', 'to')
    if known[1] ~= ARGV[1] or known[2] ~= before then
        redis.call('DEL', key)
        redis.call('HSET', key, 'history', ARGV[1], 'from', before)
    end
    redis.call('HSET', key, 'to', after)
    for day in string.gmatch(days, '[^,]+') do
        redis.call('HSET', key, day, after)
    end
    if redis.call('HLEN', key) > tonumber(ARGV[3]) then
        redis.call('DEL', key)
    else
        redis.call('EXPIRE', key, ARGV[2])
    end
end
"""


def state_name(log: Mapping[bytes, bytes], *, history: str, crossings: int, first_day: int, last_day: int) -> int:
    """A number that names the state of a rule's sums in a span of days: equal numbers, equal sums.

    It is how many crossings the rule had counted when one of these days was last touched, or any later number up to
    the present one.

    Args:
        log: the rule's hash in Redis, empty if there is none.
        history: which history of PostgreSQL the present number was read from.
        crossings: the present number, read in the same snapshot as the sums.
        first_day: first day of the span, since 1970 UTC.
        last_day: its last day, included.
    """
    if log.get(b"history") != history.encode():
        return crossings
    begin, end = int(log[b"from"]), int(log[b"to"])
    if not begin <= crossings <= end:
        return crossings
    touches = [int(at) for day, at in log.items() if day.isdigit() and first_day <= int(day) <= last_day]
    last = max(touches, default=begin)
    # The log may be ahead of the snapshot: how the days were before such a touch it does not tell.
    return crossings if last > crossings else last


def day_of(moment_ns: int) -> int:
    """The UTC day of a moment, counted since 1970."""
    return moment_ns // DAY_NS
