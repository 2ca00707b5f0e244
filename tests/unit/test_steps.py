from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import BadInput
from schema.queries.steps import SECONDS, Steps
from schema.times import to_datetime, to_ns

NS = 10**9


def ns(*moment: int) -> int:
    return to_ns(datetime(*moment, tzinfo=UTC))


def begins(steps: Steps) -> list[datetime]:
    return [to_datetime(edge * NS) for edge in steps.edges_s.tolist()]


def test_weeks_begin_on_monday():
    steps = Steps.covering("week", from_ns=ns(2026, 11, 23), to_ns=ns(2026, 11, 30, 0, 1))
    assert begins(steps) == [datetime(2026, 11, day, tzinfo=UTC) for day in (23, 30)] + [
        datetime(2026, 12, 7, tzinfo=UTC)
    ]


def test_months_are_those_of_the_calendar():
    steps = Steps.covering("month", from_ns=ns(2027, 12, 31), to_ns=ns(2028, 3, 1))
    assert begins(steps) == [datetime(2027, 12, 1, tzinfo=UTC)] + [
        datetime(2028, month, 1, tzinfo=UTC) for month in (1, 2, 3)
    ]


@given(
    resolution=st.sampled_from(list(SECONDS)),
    from_s=st.integers(0, 4 * 10**9),
    more_ns=st.integers(1, 10**15),
)
def test_buckets_cover_the_time_asked_for_and_none_is_left_out_or_beyond(resolution, from_s, more_ns):
    from_ns, to_ns = from_s * NS + 1, from_s * NS + 1 + min(more_ns, SECONDS[resolution] * 1000 * NS)
    steps = Steps.covering(resolution, from_ns=from_ns, to_ns=to_ns)
    edges = steps.edges_s * NS
    assert edges[0] <= from_ns < edges[1]
    assert edges[-2] < to_ns <= edges[-1]
    assert np.all(np.diff(edges) >= SECONDS[resolution] * NS)
    assert steps.place(steps.edges_s[:-1]).tolist() == list(range(steps.count))
    assert steps.place(steps.edges_s[1:] - 1).tolist() == list(range(steps.count))


def test_what_has_no_buckets_or_too_many_is_refused():
    with pytest.raises(BadInput, match="ends before it begins"):
        Steps.covering("day", from_ns=5, to_ns=5)
    with pytest.raises(BadInput, match="more than 100000 buckets of a minute"):
        Steps.covering("minute", from_ns=0, to_ns=ns(2026, 1, 1))
