"""Crossings summed up by minute."""

from dataclasses import replace

from actors.counting.buckets import buckets, totals_by_rule
from schema.events import Totals
from tests.unit.walkers import DOOR, HALL, Person, count, film, legs

TO_AND_FRO = legs((0, 0.7, 0.6), (4, 0.3, 0.6), (8, 0.7, 0.6))
MINUTE_NS = 60_000_000_000


def test_a_u_turn_takes_the_effective_count_back_in_the_minute_of_the_crossing_it_undoes():
    # In at 2 s, out at 6 s, with the turn of the minute between them.
    crossings = count(DOOR, film([Person(path=TO_AND_FRO)], seconds=8, start_ns=MINUTE_NS - 4_000_000_000))
    first, second = buckets(crossings)
    assert (first.minute_ns, first.totals) == (0, Totals(count_in=1))
    assert (second.minute_ns, second.totals) == (MINUTE_NS, Totals(count_out=1))
    assert first.totals.effective_in == 0


def test_a_plain_crossing_counts_raw_and_effective():
    crossings = count(DOOR, film([Person(path=TO_AND_FRO)], seconds=5))
    assert totals_by_rule(crossings) == {"door": Totals(count_in=1, effective_in=1)}


def test_zones_add_up_dwell_and_who_appeared_and_was_lost():
    stays = Person(path=legs((0, 0.6, 0.6), (4, 0.6, 0.6)))
    (appeared, lost) = count(HALL, film([stays], seconds=4))
    assert totals_by_rule([appeared, lost]) == {"hall": Totals(appeared=1, lost=1, dwell_s=lost.dwell_s or 0)}
    assert totals_by_rule([appeared])["hall"].occupancy_change == 1


def test_cameras_and_rules_are_kept_apart():
    (crossing,) = count(DOOR, film([Person(path=TO_AND_FRO)], seconds=5))
    other = replace(crossing, camera_id=2)
    third = replace(crossing, rule_id=5)
    assert [(b.camera_id, b.rule_id) for b in buckets([other, third, crossing])] == [(1, 0), (1, 5), (2, 0)]


def test_nobody_is_nothing():
    assert buckets([]) == []
    assert totals_by_rule([]) == {}
