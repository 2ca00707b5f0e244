"""Roll-ups say what the crossings say, whatever comes when."""

import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from time import time_ns

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from actors import rollups as due
from actors.counting import buckets as summing
from actors.sinks.postgres import PostgresStore
from actors.tiers import pack
from actors.tiers.steps import Movers
from cluster import cli
from schema.database import open_engine, owner_transaction, scope, transaction
from schema.events import Coverage, Crossing, Totals
from schema.ports import FileStore
from schema.queries import counts, rollups
from schema.queries.counts import CountBucket, Resolution
from schema.queries.steps import Steps
from schema.settings import StorageSettings
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS, to_datetime, to_ns
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import BEGIN_NS, crossing, delivery

pytestmark = pytest.mark.integration

HOUR_S, DAY_S = 3600, 86400
NOW_NS = BEGIN_NS // DAY_NS * DAY_NS + 30 * DAY_NS
RESOLUTIONS: tuple[Resolution, ...] = ("minute", "15min", "hour", "day", "week", "month")


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def store(dsn: str) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    clear(engine)


@pytest.fixture
def watched(engine: Engine, store: PostgresStore) -> Watched:
    return PostgresUnderTest(store, engine).camera()


def clear(engine: Engine) -> None:
    with owner_transaction(engine) as session:
        session.execute(text("truncate cameras cascade"))


def expected(crossings: list[Crossing], resolution: Resolution) -> dict[tuple[int, int], Totals]:
    """Counts by rule and begin of the bucket in ns, as nobody but the crossings says."""
    sums: dict[tuple[int, int], Totals] = defaultdict(Totals)
    for minute in summing.buckets(crossings):
        steps = Steps.covering(resolution, from_ns=minute.minute_ns, to_ns=minute.minute_ns + 1)
        sums[minute.rule_id, int(steps.edges_s[0]) * 10**9] += minute.totals
    return dict(sums)


def ask(engine: Engine, resolution: Resolution, *, days: int = 30, **asked) -> list[CountBucket]:
    """All that was counted in so many days before NOW_NS."""
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return counts.buckets(session, from_ns=NOW_NS - days * DAY_NS, to_ns=NOW_NS, resolution=resolution, **asked)


def answers(
    engine: Engine, watched: Watched, resolution: Resolution, *, days: int = 30
) -> dict[tuple[int, int], Totals]:
    ids = {"door": watched.line, "hall": watched.zone}
    return {(ids[found.rule], found.from_ns): found.totals for found in ask(engine, resolution, days=days)}


def rows(engine: Engine) -> list[tuple]:
    """The roll-ups themselves, without what says how they came to be."""
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        found = session.execute(
            text(
                'select period::text, "timestamp", zone_id, count_in, count_out, effective_in, effective_out, appeared,'
                " lost, dwell_s, covered_s, hourly_in, hourly_out, hourly_effective_in, hourly_effective_out,"
                " hourly_appeared, hourly_lost, hourly_dwell_s, hourly_covered_s from analytics order by 1, 2, 3"
            )
        )
        return [tuple(row) for row in found]


def roll_up_some(engine: Engine, limit: int, *, die: bool = False) -> None:
    """One transaction of a roll-up, which may end as that of a killed process does."""
    with Session(engine) as session:
        scope(session.connection(), DEFAULT_TENANT_ID)
        rollups.roll_up(session, now_ns=NOW_NS, limit=limit)
        if not die:
            session.commit()


def pack_passed_days(engine: Engine, files: FileStore) -> None:
    """Minutes of all days that have passed become packed days, or join those that are there."""
    movers = Movers(engine=engine, files=files, now_ns=NOW_NS, tell=lambda _: None)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        days = pack.due(session, before=to_datetime(NOW_NS).date())
    for day in days:
        pack.pack_day(movers, DEFAULT_TENANT_ID, day)


def stale_days(engine: Engine) -> int:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return session.scalar(text("select count(*) from analytics where period = 'day' and stale"))


def test_every_resolution_says_the_same_before_and_after_rolling_up(engine, store, watched):
    seen = [
        crossing(watched, i, at_s=i * 7000, zone=i % 3 == 0, dwell_s=1.5 if i % 3 == 0 else None) for i in range(90)
    ]
    store.commit([delivery(watched, seen)])
    before = {resolution: answers(engine, watched, resolution) for resolution in RESOLUTIONS}
    for resolution in RESOLUTIONS:
        assert before[resolution] == expected(seen, resolution), resolution
    done = due.run_due(engine, now_ns=NOW_NS)
    assert (done.days > 10, done.corrected, stale_days(engine)) == (True, 0, 0)
    assert {resolution: answers(engine, watched, resolution) for resolution in RESOLUTIONS} == before
    assert due.run_due(engine, now_ns=NOW_NS).days == 0


def test_the_day_that_has_not_passed_is_read_from_its_minutes(engine, store, watched):
    store.commit([delivery(watched, [crossing(watched, 1)])])
    assert due.run_due(engine, now_ns=BEGIN_NS + DAY_S * 10**9 // 4).days == 0
    assert sum(answers(engine, watched, "hour").values(), Totals()).count_in == 1
    assert due.run_due(engine, now_ns=BEGIN_NS + DAY_NS).days == 1


def test_late_crossings_count_at_once_and_are_rolled_up_again(engine, store, watched):
    seen = [crossing(watched, i, at_s=i * 3600) for i in range(30)]
    store.commit([delivery(watched, seen)])
    due.run_due(engine, now_ns=NOW_NS)
    late = [crossing(watched, 100 + i, at_s=i * 1800) for i in range(9)]
    store.commit([delivery(watched, late)])
    for rolled_up in (False, True):
        for resolution in RESOLUTIONS:
            assert answers(engine, watched, resolution) == expected(seen + late, resolution), resolution
        assert stale_days(engine) == (0 if rolled_up else 1)
        due.run_due(engine, now_ns=NOW_NS)


def test_a_return_takes_back_from_the_hour_day_and_month_of_what_it_undoes(engine, store, watched):
    midnight_s = (to_ns(datetime(2026, 10, 1, tzinfo=UTC)) - BEGIN_NS) // 10**9
    there = crossing(watched, 1, at_s=midnight_s - 1)
    store.commit([delivery(watched, [there])])
    due.run_due(engine, now_ns=NOW_NS)
    back = crossing(
        watched, 1, at_s=midnight_s + 1, direction="out", ordinal=1, undoes=there.event_id, undoes_ns=there.occurred_ns
    )
    store.commit([delivery(watched, [back])])
    due.run_due(engine, now_ns=NOW_NS)
    for resolution in ("hour", "day", "month"):
        first, second = sorted(answers(engine, watched, resolution).items())
        assert (first[1].count_in, first[1].effective_in) == (1, 0)
        assert (second[1].count_out, second[1].effective_out) == (1, 0)


def test_a_roll_up_that_dies_leaves_everything_as_it_was(engine, store, watched):
    seen = [crossing(watched, i, at_s=i * 9000) for i in range(40)]
    store.commit([delivery(watched, seen)])
    before = rows(engine)
    roll_up_some(engine, 3, die=True)
    assert rows(engine) == before
    roll_up_some(engine, 3)
    assert stale_days(engine) == 2
    assert answers(engine, watched, "hour") == expected(seen, "hour")
    due.run_due(engine, now_ns=NOW_NS)
    assert answers(engine, watched, "hour") == expected(seen, "hour")
    assert stale_days(engine) == 0


def test_a_day_that_is_being_added_to_is_left_for_the_next_time(engine, store, watched):
    store.commit([delivery(watched, [crossing(watched, i, at_s=i * DAY_S) for i in range(2)])])
    with transaction(engine, DEFAULT_TENANT_ID) as storing:
        storing.execute(
            text('update analytics set revision = revision + 1 where "timestamp" < :at'),
            {"at": to_datetime(BEGIN_NS)},
        )
        assert due.run_due(engine, now_ns=NOW_NS).days == 1
    assert due.run_due(engine, now_ns=NOW_NS).days == 1


def test_crossings_are_stored_while_their_days_are_rolled_up(engine, store, watched):
    seen = [crossing(watched, i, at_s=i * 3001 % (20 * DAY_S)) for i in range(300)]

    def store_all() -> None:
        for start in range(0, len(seen), 6):
            store.commit([delivery(watched, seen[start : start + 6])])

    with ThreadPoolExecutor(1) as other:
        storing = other.submit(store_all)
        while not storing.done():
            due.run_due(engine, now_ns=NOW_NS)
        storing.result()
    for rolled_up in (False, True):
        assert answers(engine, watched, "hour") == expected(seen, "hour"), rolled_up
        due.run_due(engine, now_ns=NOW_NS)
    assert stale_days(engine) == 0


def test_minutes_that_were_changed_by_hand_are_found(engine, store, watched):
    seen = [crossing(watched, i, at_s=i * 5000) for i in range(40)]
    store.commit([delivery(watched, seen)])
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("update analytics set count_in = 1, count_out = 7"))
    assert due.run_due(engine, now_ns=NOW_NS).corrected == 3
    assert answers(engine, watched, "day") == expected(seen, "day")

    good = rows(engine)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("delete from analytics"))
    assert due.run_due(engine, now_ns=NOW_NS).days == 0
    first = to_datetime(BEGIN_NS).date()
    assert due.rebuild(engine, first=first, last=first + timedelta(days=3), now_ns=NOW_NS).days == 3
    assert rows(engine) == good


def test_coverage_stands_beside_rolled_up_hours_and_outlives_its_intervals(engine, store, watched):
    hour_ns = BEGIN_NS // (HOUR_S * 10**9) * HOUR_S * 10**9
    seen = [
        Coverage(camera_id=watched.id, epoch="e", from_ns=hour_ns + begin * 10**9, to_ns=hour_ns + end * 10**9)
        for begin, end in ((600, 1200), (1200, 4500), (2 * DAY_S, 2 * DAY_S + 60))
    ]
    store.commit([delivery(watched, [crossing(watched, 1)], coverage=tuple(seen))])

    def covered(resolution: Resolution, **asked) -> list[float]:
        return [found.covered_s for found in ask(engine, resolution, rules=["door"], **asked) if found.covered_s]

    wanted = {"hour": [3000, 900, 60], "day": [3900, 60], "week": [3960], "month": [3960]}
    for resolution, seconds in wanted.items():
        assert covered(resolution, fill=True) == seconds
    due.run_due(engine, now_ns=NOW_NS)
    for resolution, seconds in wanted.items():
        assert covered(resolution, fill=True) == seconds
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("delete from coverage"))
    assert [covered(resolution) for resolution in ("hour", "day", "month")] == [[3000], [3900], [3900]]


def test_the_command_rolls_up_and_rebuilds(engine, store, watched, dsn, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TURNSTILE_POSTGRES_DSN", dsn)
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    day_ns = time_ns() - 3 * DAY_NS
    store.commit([delivery(watched, [replace(crossing(watched, 1), occurred_ns=day_ns, confirmed_ns=day_ns)])])
    assert cli.run(["rollup", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"days": 1, "corrected": 0}
    day = f"{to_datetime(day_ns):%Y-%m-%d}"
    assert cli.run(["rollup", "run", "--rebuild", "--from", day, "--to", day, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"days": 1, "corrected": 0}
    for wrong, says in (
        (["--rebuild"], "give --from DATE and --to DATE"),
        (["--from", day], "give --rebuild too, or neither"),
        (["--rebuild", "--from", day, "--to", "2000-01-01"], "swap them"),
        (["--rebuild", "--from", "May", "--to", day], "write it like 2026-05-01"),
    ):
        assert cli.run(["rollup", "run", *wrong]) == 2
        assert says in capsys.readouterr().err


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> FileStore:
    return open_storage(StorageSettings(url=tmp_path_factory.mktemp("files").as_uri()))


# Some share a day, an hour or a month, and one is of another year.
_MOMENTS = [-300 * DAY_S, -59, -1, 0, 30, 3600, 3 * HOUR_S, DAY_S, 9 * DAY_S, 10 * DAY_S, 25 * DAY_S]
_STEPS = st.one_of(
    st.tuples(st.just("store"), st.lists(st.sampled_from(range(40)), min_size=1, max_size=12)),
    st.tuples(st.just("roll up"), st.integers(1, 4)),
    st.tuples(st.just("die while rolling up"), st.integers(1, 4)),
    st.tuples(st.just("pack"), st.just(None)),
)


def _possible(watched: Watched) -> list[Crossing]:
    """Forty crossings at two rules: some go back over what they crossed before, hours, days or months later."""
    found: list[Crossing] = []
    for track in range(20):
        zone, at_s = track % 4 == 0, _MOMENTS[track % len(_MOMENTS)]
        there = crossing(watched, track, at_s=at_s, zone=zone)
        back_s = _MOMENTS[(track * 7 + 3) % len(_MOMENTS)]
        back = crossing(
            watched,
            track,
            at_s=back_s,
            zone=zone,
            direction="out",
            ordinal=1,
            dwell_s=0.25 * track if zone else None,
            undoes=there.event_id if track % 3 else None,
            undoes_ns=there.occurred_ns if track % 3 else None,
        )
        found += [there, back]
    return found


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_STEPS, min_size=2, max_size=8))
def test_whatever_comes_when_rolling_up_is_the_same_as_computing_everything_anew(engine, store, files, steps):
    clear(engine)
    watched = PostgresUnderTest(store, engine).camera()
    possible = _possible(watched)
    stored: dict[int, Crossing] = {}
    for what, given_ in steps:
        if what == "store":
            store.commit([delivery(watched, [possible[number] for number in given_])])
            stored.update((number, possible[number]) for number in given_)
        elif what == "pack":
            pack_passed_days(engine, files)
        else:
            roll_up_some(engine, given_, die=what == "die while rolling up")
        truth = expected(list(stored.values()), "hour")
        assert answers(engine, watched, "hour", days=400) == truth
    due.run_due(engine, now_ns=NOW_NS)
    for resolution in RESOLUTIONS:
        found = answers(engine, watched, resolution, days=40 if resolution == "minute" else 400)
        truth = expected(list(stored.values()), resolution)
        if resolution == "minute":
            truth = {key: totals for key, totals in truth.items() if key[1] >= NOW_NS - 40 * DAY_NS}
        assert found == truth, resolution
    rolled_up = rows(engine)
    days = date(2025, 1, 1), date(2026, 12, 31)
    due.rebuild(engine, first=days[0], last=days[1], now_ns=NOW_NS)
    assert rows(engine) == rolled_up
