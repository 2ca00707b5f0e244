"""When periodic jobs are due: once a period, whoever asks."""

from datetime import UTC, datetime

import pytest

from actors.jobs.schedule import DAY_S, HOUR_S, Occasion, Periodic, Schedule
from schema.times import to_ns

DAILY = Periodic(kind="archive", every_s=DAY_S, at_s=2 * HOUR_S)
OFTEN = Periodic(kind="rollup", every_s=300)


def at(hour: int, minute: int = 0, day: int = 23) -> int:
    return to_ns(datetime(2026, 11, day, hour, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("now_ns", "key"),
    [
        (at(2), "archive:2026-11-23"),
        (at(23, 59), "archive:2026-11-23"),
        (at(1, 59), "archive:2026-11-22"),
        (at(1, 59, day=24), "archive:2026-11-23"),
    ],
)
def test_a_daily_job_belongs_to_the_day_it_is_due_on(now_ns: int, key: str):
    assert Schedule([DAILY]).due(now_ns, {}) == [Occasion(kind="archive", key=key)]


def test_what_was_asked_for_is_not_due_again_until_the_next_period():
    schedule = Schedule([DAILY, OFTEN])
    first = schedule.due(at(10, 7), {})
    assert [occasion.key for occasion in first] == ["archive:2026-11-23", "rollup:2026-11-23T10:05Z"]
    asked = {occasion.kind: occasion.key for occasion in first}
    assert schedule.due(at(10, 9), asked) == []
    assert [occasion.key for occasion in schedule.due(at(10, 10), asked)] == ["rollup:2026-11-23T10:10Z"]


def test_periods_that_went_by_unseen_are_asked_for_once():
    asked = {"rollup": "rollup:2026-11-23T10:05Z"}
    assert [occasion.key for occasion in Schedule([OFTEN]).due(at(18, 3), asked)] == ["rollup:2026-11-23T18:00Z"]
