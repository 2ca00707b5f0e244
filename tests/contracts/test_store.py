"""What every ``Store`` promises."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.sinks.memory import MemoryStore
from actors.sinks.postgres import PostgresStore
from schema.database import open_engine
from schema.events import CameraEvent, Checkpoint, Coverage, Crossing, Delivery, Direction, Totals, crossing_id
from schema.times import MINUTE_NS
from tests.contracts.stores import MemoryUnderTest, PostgresUnderTest, StoreUnderTest, Watched

BEGIN_NS = 1_790_000_040 * 10**9
"""The start of a minute, in 2026."""


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)], scope="module")
def under_test(request: pytest.FixtureRequest) -> Iterator[StoreUnderTest]:
    if request.param == "memory":
        yield MemoryUnderTest(MemoryStore())
        return
    dsn = request.getfixturevalue("dsn")
    store, engine = PostgresStore(dsn), open_engine(dsn)
    yield PostgresUnderTest(store, engine)
    store.close()
    engine.dispose()


def crossing(
    camera: Watched, track: int, *, at_s: float = 0, direction: Direction = "in", zone: bool = False, **more
) -> Crossing:
    ordinal = more.pop("ordinal", 0)
    rule = "hall" if zone else "door"
    event_id = crossing_id(camera_id=camera.id, epoch="e", track_id=track, rule=rule, version=1, ordinal=ordinal)
    occurred_ns = BEGIN_NS + round(at_s * 10**9)
    return Crossing(
        event_id=event_id,
        camera_id=camera.id,
        epoch="e",
        track_id=track,
        kind="zone" if zone else "line",
        rule=rule,
        rule_id=camera.zone if zone else camera.line,
        direction=direction,
        ordinal=ordinal,
        frame=1 + round(8 * at_s),
        occurred_ns=occurred_ns,
        confirmed_ns=occurred_ns + 250_000_000,
        confidence=0.75,
        x=0.5,
        y=0.25,
        model="yolo11n",
        **more,
    )


def delivery(camera: Watched, crossings: Sequence[Crossing] = (), *, is_file: bool = False, **more) -> Delivery:
    return Delivery(
        camera_id=camera.id,
        lease_epoch=camera.lease_epoch,
        epoch="e",
        started_ns=BEGIN_NS,
        is_file=is_file,
        crossings=tuple(crossings),
        **more,
    )


def u_turn(camera: Watched) -> tuple[Crossing, Crossing]:
    """In just before a full minute, out again just after it."""
    there = crossing(camera, 1, at_s=59)
    back = crossing(camera, 1, at_s=61, direction="out", ordinal=1)
    return there, replace(back, undoes=there.event_id, undoes_ns=there.occurred_ns)


def test_crossings_are_counted_in_their_minute_and_in_the_totals(under_test: StoreUnderTest):
    camera = under_test.camera()
    seen = [crossing(camera, 1), crossing(camera, 2, at_s=59.9, direction="out"), crossing(camera, 3, at_s=60)]
    committed = under_test.store.commit([delivery(camera, seen)])

    assert set(committed.crossings) == set(seen)
    assert under_test.buckets(camera) == {
        (camera.line, BEGIN_NS): Totals(count_in=1, effective_in=1, count_out=1, effective_out=1),
        (camera.line, BEGIN_NS + MINUTE_NS): Totals(count_in=1, effective_in=1),
    }
    (told,) = committed.totals
    assert (told.camera_id, told.rule_id, told.rule, told.revision) == (camera.id, camera.line, "door", 1)
    assert told.totals == under_test.totals(camera)[camera.line]
    assert told.totals == Totals(count_in=2, effective_in=2, count_out=1, effective_out=1)
    assert committed.refused_camera_ids == ()


def test_committing_twice_adds_nothing_and_reports_nothing(under_test: StoreUnderTest):
    camera = under_test.camera()
    event = CameraEvent(event_id=uuid4(), camera_id=camera.id, event_type="lost", occurred_ns=BEGIN_NS, data={"a": 1})
    given = delivery(camera, u_turn(camera), events=(event,))
    under_test.store.commit([given, given])
    before = under_test.buckets(camera), under_test.totals(camera)

    again = under_test.store.commit([given])
    assert (again.crossings, again.totals) == ((), ())
    assert (under_test.buckets(camera), under_test.totals(camera)) == before
    assert under_test.event_ids(camera) == {event.event_id}


def test_a_revision_grows_with_every_change(under_test: StoreUnderTest):
    camera = under_test.camera()
    told = [under_test.store.commit([delivery(camera, [crossing(camera, track)])]).totals[0] for track in (1, 2)]
    assert [(news.revision, news.totals.count_in) for news in told] == [(1, 1), (2, 2)]


def test_an_undoing_crossing_takes_the_effective_count_back_in_the_minute_of_the_undone(under_test: StoreUnderTest):
    camera = under_test.camera()
    there, back = u_turn(camera)
    under_test.store.commit([delivery(camera, [there])])
    under_test.store.commit([delivery(camera, [back])])
    assert under_test.buckets(camera) == {
        (camera.line, BEGIN_NS): Totals(count_in=1),
        (camera.line, BEGIN_NS + MINUTE_NS): Totals(count_out=1),
    }
    assert under_test.totals(camera)[camera.line] == Totals(count_in=1, count_out=1)


def test_zones_sum_dwell_and_who_appeared_or_was_lost_inside(under_test: StoreUnderTest):
    camera = under_test.camera()
    under_test.store.commit(
        [
            delivery(
                camera,
                [
                    crossing(camera, 1, zone=True, cause="appeared"),
                    crossing(camera, 2, zone=True),
                    crossing(camera, 2, at_s=4.5, zone=True, direction="out", ordinal=1, dwell_s=4.5),
                    crossing(camera, 3, at_s=5, zone=True, direction="out", cause="lost", dwell_s=1.25),
                ],
            )
        ]
    )
    sums = under_test.totals(camera)[camera.zone]
    assert sums == Totals(count_in=1, count_out=1, effective_in=1, effective_out=1, appeared=1, lost=1, dwell_s=5.75)
    assert sums.occupancy_change == 0


@given(
    cuts=st.lists(st.integers(0, 12), max_size=4),
    order=st.permutations(range(12)),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_crossings_are_cut_into_commits_the_sums_are_the_same(
    under_test: StoreUnderTest, cuts: list[int], order: list[int]
):
    camera = under_test.camera()
    there, back = u_turn(camera)
    others = [crossing(camera, 10 + i, at_s=7 * i, direction="in" if i % 3 else "out", zone=i > 6) for i in range(10)]
    seen = [there, back, *others]
    expected = MemoryUnderTest()
    expected.know(camera)
    expected.store.commit([delivery(camera, seen)])

    shuffled = [seen[place] for place in order]
    places = [0, *sorted(cuts), len(shuffled)]
    for start, end in pairwise(places):
        # Overlapping portions, as after a worker that did not hear the answer.
        under_test.store.commit([delivery(camera, shuffled[max(0, start - 2) : end])])
    assert under_test.buckets(camera) == expected.buckets(camera)
    assert under_test.totals(camera) == expected.totals(camera)


def test_a_live_delivery_under_an_old_lease_keeps_only_what_was_seen_before_the_new_one(under_test: StoreUnderTest):
    old = under_test.camera()
    new, granted_ns = under_test.lend_again(old)
    before = replace(crossing(old, 1), occurred_ns=granted_ns - 1000, confirmed_ns=granted_ns + 1000)
    after = replace(crossing(old, 2), occurred_ns=granted_ns, confirmed_ns=granted_ns)
    coverage = Coverage(camera_id=old.id, epoch="e", from_ns=BEGIN_NS, to_ns=granted_ns)

    committed = under_test.store.commit([delivery(old, [before, after], coverage=(coverage,))])
    assert committed.crossings == (before,)
    assert committed.refused_camera_ids == (old.id,)
    assert under_test.coverage(old) == set()

    assert under_test.store.commit([delivery(new, [after])]).refused_camera_ids == ()
    assert under_test.crossing_ids(old) == {before.event_id, after.event_id}


def test_a_file_delivery_under_an_old_lease_is_refused_whole(under_test: StoreUnderTest):
    old = under_test.camera()
    under_test.lend_again(old)
    late = Checkpoint(epoch="e", seq=5, state=b"late")
    committed = under_test.store.commit([delivery(old, [crossing(old, 1)], is_file=True, checkpoint=late)])
    assert (committed.crossings, committed.refused_camera_ids) == ((), (old.id,))
    assert under_test.crossing_ids(old) == set()
    assert under_test.checkpoint(old, "e") is None


def test_a_refused_camera_holds_up_nobody_else(under_test: StoreUnderTest):
    stale, other = under_test.camera(), under_test.camera()
    under_test.lend_again(stale)
    committed = under_test.store.commit(
        [delivery(stale, [crossing(stale, 1)], is_file=True), delivery(other, [crossing(other, 1)])]
    )
    assert committed.refused_camera_ids == (stale.id,)
    assert [news.camera_id for news in committed.crossings] == [other.id]


def test_late_news_of_a_former_holder_is_counted_but_leaves_nobody_inside(under_test):
    old = under_test.camera()
    new, granted_ns = under_test.lend_again(old)
    seen_anew = replace(crossing(new, 3, zone=True, cause="appeared"), occurred_ns=granted_ns, confirmed_ns=granted_ns)
    under_test.store.commit([delivery(new, [seen_anew])])
    entered = replace(crossing(old, 1, zone=True), occurred_ns=granted_ns - 1000)
    over_line = replace(crossing(old, 2), occurred_ns=granted_ns - 1000)

    committed = under_test.store.commit([delivery(old, [entered, over_line])])

    by_rule = {news.rule_id: news for news in committed.totals}
    assert by_rule[old.zone].totals.count_in == 1
    assert by_rule[old.zone].occupancy == 1
    assert by_rule[old.line].occupancy == 1


@pytest.mark.parametrize("wrong", ["unknown camera", "rule of another camera", "lease never granted"])
def test_what_cannot_be_true_is_refused(under_test: StoreUnderTest, wrong: str):
    camera, other = under_test.camera(), under_test.camera()
    claimed = {
        "unknown camera": replace(camera, id=999_999),
        "rule of another camera": replace(camera, line=other.line),
        "lease never granted": replace(camera, lease_epoch=camera.lease_epoch + 1),
    }[wrong]
    committed = under_test.store.commit([delivery(claimed, [crossing(claimed, 1)])])
    assert (committed.crossings, committed.refused_camera_ids) == ((), (claimed.id,))
    assert under_test.crossing_ids(claimed) == set()


def test_coverage_grows_and_never_shrinks(under_test: StoreUnderTest):
    camera = under_test.camera()

    def watched(from_s: int, to_s: int) -> Coverage:
        return Coverage(
            camera_id=camera.id, epoch="e", from_ns=BEGIN_NS + from_s * 10**9, to_ns=BEGIN_NS + to_s * 10**9
        )

    under_test.store.commit([delivery(camera, coverage=(watched(0, 1),)), delivery(camera, coverage=(watched(0, 3),))])
    under_test.store.commit([delivery(camera, coverage=(watched(0, 2), watched(10, 11)))])
    assert under_test.coverage(camera) == {watched(0, 3), watched(10, 11)}


def test_a_checkpoint_goes_forward_only(under_test: StoreUnderTest):
    camera = under_test.camera()
    first, second = Checkpoint(epoch="e", seq=10, state=b"ten"), Checkpoint(epoch="e", seq=20, state=b"twenty")
    for checkpoints in ((first, second), (first,), ()):
        under_test.store.commit([delivery(camera, is_file=True, checkpoint=known) for known in checkpoints])
    assert under_test.checkpoint(camera, "e") == second

    end = replace(second, finished=True)
    under_test.store.commit([delivery(camera, is_file=True, checkpoint=end)])
    assert under_test.checkpoint(camera, "e") == end


def test_an_empty_commit_changes_nothing(under_test: StoreUnderTest):
    committed = under_test.store.commit([])
    assert (committed.crossings, committed.totals, committed.refused_camera_ids) == ((), (), ())
