"""Spans of time and cursors: what questions may ask."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import BadInput
from serve_app.api.inputs import HOUR_NS, Place, Span, make_span, read_cursor, write_cursor

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_NS = 1_795_435_200 * 10**9
QUESTION = ("lobby", None, 100)


def test_a_span_is_the_last_hour_when_nothing_is_said() -> None:
    span = make_span(None, None, now_ns=NOON_NS, default_ns=HOUR_NS)
    assert span == Span(from_ns=NOON_NS - HOUR_NS, to_ns=NOON_NS)


def test_an_end_alone_gives_the_hour_before_it() -> None:
    span = make_span(None, NOON, now_ns=5 * NOON_NS, default_ns=HOUR_NS)
    assert span == Span(from_ns=NOON_NS - HOUR_NS, to_ns=NOON_NS)


def test_offsets_are_honoured() -> None:
    berlin = timezone(timedelta(hours=1))
    span = make_span(datetime(2026, 11, 23, 12, tzinfo=berlin), NOON, now_ns=0, default_ns=HOUR_NS)
    assert span.to_ns - span.from_ns == HOUR_NS


@pytest.mark.parametrize("late", [NOON, NOON + timedelta(seconds=1)])
def test_a_span_that_ends_before_it_starts_is_refused(late: datetime) -> None:
    with pytest.raises(BadInput, match="is not before 'to'"):
        make_span(late, NOON, now_ns=0, default_ns=HOUR_NS)


@given(st.integers(0, 2**53), st.integers(0, 2**62))
def test_a_cursor_says_what_was_written(occurred_us: int, number: int) -> None:
    place = Place(occurred_us=occurred_us, id=number)
    assert read_cursor(write_cursor(place, QUESTION), QUESTION) == place


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="cursor"):
        read_cursor(text, QUESTION)


def test_a_cursor_continues_only_its_own_question() -> None:
    cursor = write_cursor(Place(occurred_us=1, id=2), QUESTION)
    with pytest.raises(BadInput, match="another question"):
        read_cursor(cursor, ("yard", None, 100))
