"""What is to be done again and again, and when. Pure: whoever requests it is ``keeper``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schema.jobs import Kind
from schema.times import to_datetime

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Periodic:
    """A job for every period of ``every_s`` seconds since 1970 UTC, due ``at_s`` seconds after its begin."""

    kind: Kind
    every_s: int
    at_s: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """A periodic job of one period. The same period has the same ``key``, whoever asks and when."""

    kind: Kind
    key: str


class Schedule:
    """Says which periodic jobs are due; it knows nothing of what was requested by others."""

    def __init__(self, periodic: Sequence[Periodic]) -> None:
        self._periodic = tuple(periodic)

    def due(self, now_ns: int, asked: Mapping[Kind, str]) -> list[Occasion]:
        """Jobs of the periods that have begun and were not asked for.

        A period that went by while nobody looked is not made up for: these jobs do whatever has gathered.

        Args:
            now_ns: the time.
            asked: the key of the newest occasion of each kind that was asked for.
        """
        occasions = [_occasion(one, now_ns) for one in self._periodic]
        return [occasion for occasion in occasions if asked.get(occasion.kind) != occasion.key]


def _occasion(one: Periodic, now_ns: int) -> Occasion:
    every_ns, at_ns = one.every_s * 10**9, one.at_s * 10**9
    begin = to_datetime((now_ns - at_ns) // every_ns * every_ns)
    return Occasion(
        kind=one.kind, key=f"{one.kind}:{begin:%Y-%m-%d}" + (f"{begin:T%H:%MZ}" if one.every_s < DAY_S else "")
    )
