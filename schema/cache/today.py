"""Sums of the present day, a field a rule in one hash: read by whoever asks, and kept up by whoever commits.

A field says how many crossings its rule had counted in all its life when these were its sums. A commit adds to a field
only if the field is of exactly the state before it; otherwise the field goes. A reader who knows a later number than a
field has sums that rule up in PostgreSQL, and lays it down. So a field is either right or seen to be old, whatever was
lost: news, the hash, or the whole server.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from typing import Any

from schema.cache.client import Cache, CacheAway
from schema.cache.families import TODAY
from schema.cache.flights import Flights
from schema.events import Bucket, Committed, Totals
from schema.queries.today import RuleDay, crossings_of
from schema.times import DAY_NS

_WHOLE = "whole"
"""A field that is there once all rules have been laid down, those retired during the day too."""

# KEYS: hashes of days. ARGV: for each a JSON object: rule id -> [number before, number after, in, out, effective in,
# effective out, camera id, kind]. A rule's first crossings ever are all that there is of the day.
ADD = """
for i, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then
        for rule, change in pairs(cjson.decode(ARGV[i])) do
            local known = redis.call('HGET', key, rule)
            local sums = known and cjson.decode(known)
            if not sums and change[1] == 0 then sums = {change[7], change[8], 0, 0, 0, 0, 0} end
            if sums and sums[3] == change[1] then
                sums[3] = change[2]
                for at = 3, 6 do sums[at + 1] = sums[at + 1] + change[at] end
                redis.call('HSET', key, rule, cjson.encode(sums))
            elseif not sums or sums[3] < change[2] then
                redis.call('HDEL', key, rule, 'whole')
            end
        end
    end
end
"""

# KEYS: the hash. ARGV: seconds to live, whether these are all rules, then rule id and value of each.
_PUT = """
for at = 3, #ARGV, 2 do
    local known = redis.call('HGET', KEYS[1], ARGV[at])
    if not known or cjson.decode(known)[3] < cjson.decode(ARGV[at + 1])[3] then
        redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    end
end
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'whole', 1) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

Load = Callable[[Collection[int] | None], Sequence[RuleDay]]


class DayTotals:
    """The sums of a day, out of Redis where it knows them. Safe to call from several threads."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._flights = Flights(cache)
        self._put = cache.script(_PUT)

    def read(self, tenant_id: int, day: int, known: Mapping[int, int], load: Load) -> Sequence[RuleDay]:
        """The day's sums of all rules, at least as new as ``known``.

        Args:
            tenant_id: whose.
            day: UTC day, counted since 1970.
            known: how many crossings each rule in force has counted in all, as the caller last heard.
            load: reads rules of these ids, or all, from PostgreSQL (``schema.queries.today.day_totals``).
        """
        key = TODAY.key(tenant_id, day)
        try:
            kept = self._read(key)
        except CacheAway:
            return list(self._flights.once(key, lambda: None, lambda: self._load_all(key, load)).values())
        if kept is None:
            return list(self._flights.once(key, lambda: self._read(key), lambda: self._load_all(key, load)).values())
        old = [rule_id for rule_id, crossings in known.items() if not _is_as_new(kept.get(rule_id), crossings)]
        if old:
            fresh = load(old)
            self._keep(key, fresh, whole=False)
            kept = {**kept, **{rule.rule_id: rule for rule in fresh}}
        return list(kept.values())

    def _read(self, key: str) -> dict[int, RuleDay] | None:
        fields: Any = self._cache.ask(lambda redis: redis.hgetall(key))
        if not fields.pop(_WHOLE.encode(), None):
            return None
        # One JSON text is read four times as fast as a text a field.
        values = json.loads(b"[" + b",".join(fields.values()) + b"]")
        return {int(rule_id): _rule(int(rule_id), value) for rule_id, value in zip(fields, values, strict=True)}

    def _load_all(self, key: str, load: Load) -> dict[int, RuleDay]:
        rules = load(None)
        self._keep(key, rules, whole=True)
        return {rule.rule_id: rule for rule in rules}

    def _keep(self, key: str, rules: Sequence[RuleDay], *, whole: bool) -> None:
        fields: list[Any] = []
        for rule in rules:
            _, camera_id, kind, *numbers = astuple(rule)
            fields += (rule.rule_id, json.dumps([camera_id, kind, *numbers], separators=(",", ":")))
        with suppress(CacheAway):
            self._cache.ask(lambda redis: self._put(keys=[key], args=[TODAY.ttl_s, int(whole), *fields], client=redis))


def changes(committed: Committed, counted: Sequence[Bucket]) -> dict[int, dict[int, list[Any]]]:
    """What a commit adds to which day, in the form that ``ADD`` takes: by day, then by rule id.

    Args:
        committed: what was stored.
        counted: its minutes.
    """
    new = Counter(crossing.rule_id for crossing in committed.crossings)
    after = {totals.rule_id: crossings_of(totals.totals) for totals in committed.totals}
    kinds = {crossing.rule_id: crossing.kind for crossing in committed.crossings}
    sums: dict[tuple[int, int], Totals] = {}
    for bucket in counted:
        place = bucket.minute_ns // DAY_NS, bucket.rule_id
        sums[place] = sums.get(place, Totals()) + bucket.totals
    cameras = {bucket.rule_id: bucket.camera_id for bucket in counted}
    by_day: dict[int, dict[int, list[Any]]] = {}
    for (day, rule_id), added in sums.items():
        if rule_id in after:
            numbers = [after[rule_id] - new[rule_id], after[rule_id]]
            four = [added.count_in, added.count_out, added.effective_in, added.effective_out]
            by_day.setdefault(day, {})[rule_id] = [*numbers, *four, cameras[rule_id], kinds[rule_id]]
    return by_day


def _is_as_new(kept: RuleDay | None, crossings: int) -> bool:
    return kept is not None and kept.crossings >= crossings


def _rule(rule_id: int, value: Sequence[Any]) -> RuleDay:
    camera_id, kind, crossings, count_in, count_out, effective_in, effective_out = value
    return RuleDay(
        rule_id=rule_id,
        camera_id=camera_id,
        kind=kind,
        crossings=crossings,
        count_in=count_in,
        count_out=count_out,
        effective_in=effective_in,
        effective_out=effective_out,
    )
