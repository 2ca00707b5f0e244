from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.partitions import LAYOUTS, Action, Found, Span, due, period_of, span_from
from schema.times import to_ns

NOW = datetime(2026, 12, 30, 13, 45, tzinfo=UTC)
DAY = timedelta(days=1)


def found(partitions: Iterable[Span] = (), strays: Iterable[datetime] = ()) -> Found:
    return Found(partitions=tuple(partitions), strays=tuple(strays))


def day(first: datetime) -> Span:
    return span_from("counting_results", first)


@pytest.mark.parametrize(
    ("table", "first", "last"),
    [
        ("counting_results", datetime(2026, 12, 30, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)),
        ("crossings", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("analytics_day", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_lies_in_a_day_a_month_or_a_year(table, first: datetime, last: datetime):
    assert span_from(table, period_of(table, to_ns(NOW))) == Span(first=first, last=last)


def test_today_and_a_week_ahead_are_made_and_then_nothing_is_due():
    actions = due({"counting_results": found()}, to_ns(NOW))
    assert [action.span.first.date().isoformat()[5:] for action in actions] == [
        "12-30", "12-31", "01-01", "01-02", "01-03", "01-04", "01-05", "01-06",
    ]  # fmt: skip
    assert due({"counting_results": found(action.span for action in actions)}, to_ns(NOW)) == ()


def test_a_day_of_a_month_that_an_older_version_made_is_left_alone():
    december = Span(first=datetime(2026, 12, 1, tzinfo=UTC), last=datetime(2027, 1, 1, tzinfo=UTC))
    actions = due({"counting_results": found([december])}, to_ns(NOW))
    assert min(action.span.first for action in actions) == december.last


def test_stray_rows_are_moved_whenever_they_are_from_after_everything_else():
    past, today = datetime(2019, 5, 5, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC)
    actions = due({"counting_results": found(strays=[today, past])}, to_ns(NOW))
    assert actions[-2:] == tuple(
        Action(kind="settle", table="counting_results", span=day(first)) for first in (past, today)
    )
    assert [action.kind for action in actions[:-2]] == ["create"] * 7


def test_a_table_that_is_not_there_is_left_out():
    assert due({}, to_ns(NOW)) == ()
    assert {action.table for action in due({"audit_logs": found()}, to_ns(NOW))} == {"audit_logs"}


@given(
    days=st.integers(-25_000, 80_000),
    there=st.sets(st.integers(-3, 12)),
    strays=st.sets(st.integers(-40, 12)),
)
def test_nothing_that_is_due_overlaps_what_is_there_or_lies_out_of_the_calendar(
    days: int, there: set[int], strays: set[int]
):
    now = datetime(1970, 1, 1, 13, tzinfo=UTC) + days * DAY
    today = period_of("counting_results", to_ns(now))
    partitions = [day(today + n * DAY) for n in there]
    tables = {
        layout.table: found(partitions, [today + n * DAY for n in strays - there])
        if layout.table == "counting_results"
        else found()
        for layout in LAYOUTS
    }
    actions = due(tables, to_ns(now))
    assert all(2000 <= action.span.first.year <= 2099 for action in actions)
    for table in tables:
        spans = [*(action.span for action in actions if action.table == table), *tables[table].partitions]
        spans.sort(key=lambda span: span.first)
        assert all(before.last <= after.first for before, after in pairwise(spans))
