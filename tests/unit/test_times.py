from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from schema.times import to_datetime, to_ns, to_text

INSTANTS = st.integers(-(10**18), 4 * 10**18)


@given(ns=INSTANTS)
def test_an_instant_is_rounded_down_to_the_microsecond_and_stays_there(ns: int):
    rounded = to_ns(to_datetime(ns))
    assert 0 <= ns - rounded < 1000
    assert to_ns(to_datetime(rounded)) == rounded


@given(earlier=INSTANTS, later=INSTANTS)
def test_order_stays(earlier: int, later: int):
    assert (to_datetime(earlier) <= to_datetime(later)) or later < earlier


def test_instants_are_utc():
    assert to_datetime(1_700_000_000_123_456_789) == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert to_text(1_700_000_000_000_000_000) == "2023-11-14T22:13:20.000000Z"
