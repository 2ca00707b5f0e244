"""Spans of time: what questions may ask."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schema.errors import BadInput
from serve_app.api.inputs import HOUR_NS, Span, make_span

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_NS = 1_795_435_200 * 10**9


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
