"""Sessions, locks, flags and camera status on a real Redis that goes away and is emptied."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from actors.sinks.postgres import PostgresStore
from actors.sinks.redis import RedisSink
from cluster.services import Services
from schema.cache import census, statuses
from schema.cache.answers import Answers
from schema.cache.client import Cache, CacheAway
from schema.cache.counts import CachedCounts
from schema.cache.families import FAMILIES, FENCE, FLIGHT, LOCK, SESSION, STATUS, TODAY, family_of
from schema.cache.flags import CACHED_COUNTS, Flags
from schema.cache.flights import Flights
from schema.cache.locks import Locks
from schema.cache.sessions import SessionCache
from schema.cache.statuses import StatusReporter
from schema.cache.today import DayTotals
from schema.camera import CameraSpec
from schema.crypto import token_digest
from schema.database import open_engine, transaction
from schema.geometry import Scene
from schema.queries import today
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS
from schema.users import UserSession
from schema.work import CameraStatus
from tests.contracts.stores import PostgresUnderTest
from tests.contracts.test_store import crossing, delivery
from tests.integration.caching import OwnRedis

pytestmark = pytest.mark.integration

DAY = 20_100
NOW_NS = DAY * DAY_NS


# Sessions

SESSION_OF_ANNA = UserSession(
    id=1, tenant_id=1, user_id=2, username="anna", role="viewer", expires_ns=NOW_NS + 3600 * 10**9
)


class Users:
    """PostgreSQL's part."""

    def __init__(self, session: UserSession | None) -> None:
        self.session = session
        self.asked = 0

    def load(self) -> UserSession | None:
        self.asked += 1
        return self.session


def test_a_session_is_read_once_and_its_token_is_nowhere(redis: OwnRedis, cache: Cache):
    users, sessions = Users(SESSION_OF_ANNA), SessionCache(cache)
    for _ in range(3):
        assert sessions.find("a token", users.load, now_ns=NOW_NS) == SESSION_OF_ANNA
    assert users.asked == 1
    assert redis.all_keys() == [SESSION.key(token_digest("a token").hex())]
    assert 0 < redis.client.ttl(redis.all_keys()[0]) <= 30


def test_a_session_that_expired_meanwhile_is_over(cache: Cache):
    users, sessions = Users(SESSION_OF_ANNA), SessionCache(cache)
    sessions.find("a token", users.load, now_ns=NOW_NS)
    assert sessions.find("a token", users.load, now_ns=SESSION_OF_ANNA.expires_ns) is None


def test_an_ended_session_is_over_at_once_even_for_who_had_just_read_it(cache: Cache):
    sessions, other = SessionCache(cache), SessionCache(cache)

    def load_while_it_is_ended() -> UserSession:
        assert sessions.end([token_digest("a token")])
        return SESSION_OF_ANNA

    other.find("a token", load_while_it_is_ended, now_ns=NOW_NS)
    assert sessions.find("a token", Users(SESSION_OF_ANNA).load, now_ns=NOW_NS) is None


def test_who_guesses_tokens_leaves_nothing_behind(redis: OwnRedis, cache: Cache):
    for number in range(20):
        assert SessionCache(cache).find(f"guess {number}", Users(None).load, now_ns=NOW_NS) is None
    assert redis.all_keys() == []


def test_without_redis_sessions_come_from_postgresql(away: Cache):
    users, sessions = Users(SESSION_OF_ANNA), SessionCache(away)
    assert sessions.find("a token", users.load, now_ns=NOW_NS) == SESSION_OF_ANNA
    assert sessions.find("a token", users.load, now_ns=NOW_NS) == SESSION_OF_ANNA
    assert users.asked == 2
    assert not sessions.end([token_digest("a token")])


# Away


def test_a_redis_that_says_nothing_is_waited_for_once_and_not_by_every_request():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = Cache(f"redis://:secret@127.0.0.1:{silent.getsockname()[1]}/0")
        began_s = time.monotonic()
        for _ in range(100):
            with pytest.raises(CacheAway) as heard:
                cache.ask(lambda redis: redis.ping())
            assert "secret" not in str(heard.value)
        cache.close()
    assert time.monotonic() - began_s < 2.0


def test_a_full_redis_is_a_miss_and_not_an_error(redis: OwnRedis, cache: Cache):
    answers = Answers(cache, on_answer=lambda _: None)
    redis.client.config_set("maxmemory", 1)
    redis.client.config_set("maxmemory-policy", "noeviction")
    try:
        assert answers.get(1, "digest", lambda: b"answer") == b"answer"
        assert Flags(cache).on(CACHED_COUNTS), "a refusal is no outage"
    finally:
        redis.client.config_set("maxmemory", 0)
    assert answers.get(1, "digest", lambda: b"answer") == b"answer"
    assert any(key.startswith("turnstile:answer:1:digest") for key in redis.all_keys())


def test_when_the_one_who_fetches_dies_another_does(redis: OwnRedis, cache: Cache):
    heard: list[bool] = []
    answers = Answers(cache, on_answer=heard.append)
    redis.client.set(FLIGHT.key("1-digest"), "somebody else", px=300)
    began_s = time.monotonic()
    assert answers.get(1, "digest", lambda: b"answer") == b"answer"
    assert 0.2 < time.monotonic() - began_s < 3
    assert answers.get(1, "digest", lambda: b"answer") == b"answer"
    assert heard == [False, True]


def test_who_waits_takes_what_the_other_process_fetched(redis: OwnRedis, cache: Cache):
    answers, other = (Answers(cache, on_answer=lambda _: None) for _ in range(2))

    def fetch() -> bytes:
        waiting.start()
        time.sleep(0.2)
        return b"answer"

    def must_not_fetch() -> bytes:
        raise AssertionError("fetched twice")

    found: list[bytes] = []
    waiting = threading.Thread(target=lambda: found.append(other.get(1, "digest", must_not_fetch)))
    answers.get(1, "digest", fetch)
    waiting.join()
    assert found == [b"answer"]


def test_a_redis_that_goes_in_the_middle_of_it_costs_nothing_but_time(cache: Cache):
    looks = iter([None, CacheAway("gone")])

    def find() -> bytes | None:
        look = next(looks)
        if look is not None:
            raise look
        return look

    flights = Flights(cache)
    assert [flights.once("digest", find, lambda: b"value") for _ in range(2)] == [b"value", b"value"]


def test_our_own_server_forgets_answers_before_it_is_full(services: Services):
    cache = Cache(services.redis.url)
    assert census.take(cache).warnings == ()
    cache.close()


# Locks


def test_one_holds_a_lock_and_the_next_has_a_greater_token(redis: OwnRedis, cache: Cache):
    locks = Locks(cache)
    first = locks.take("fleet-report", ttl_s=5)
    assert first is not None
    assert locks.take("fleet-report", ttl_s=5) is None
    locks.release(first)
    second = locks.take("fleet-report", ttl_s=5)
    assert second is not None
    assert second.token > first.token
    locks.release(first)
    assert locks.take("fleet-report", ttl_s=5) is None, "a former holder cannot release it"
    assert not locks.renew(first, ttl_s=5)
    assert locks.renew(second, ttl_s=5)


def test_tokens_grow_even_in_a_redis_that_forgot_them_or_whose_clock_went_back(redis: OwnRedis, cache: Cache):
    locks = Locks(cache)
    first = locks.take("fleet-report", ttl_s=5)
    redis.client.flushall()
    second = locks.take("fleet-report", ttl_s=5)
    assert first is not None
    assert second is not None
    assert second.token > first.token
    redis.client.set(FENCE.key("fleet-report"), second.token + 10**9)  # as if it had been later
    locks.release(second)
    third = locks.take("fleet-report", ttl_s=5)
    assert third is not None
    assert third.token == second.token + 10**9 + 1


def test_a_lock_is_not_held_for_long(cache: Cache):
    with pytest.raises(ValueError, match="renew it"):
        Locks(cache).take("fleet-report", ttl_s=3600)


# Camera status


def doing(camera_id: int, **fields) -> CameraStatus:
    spec = CameraSpec(id=camera_id, name=f"camera-{camera_id}", source="a.mp4", scene=Scene())
    return CameraStatus(spec=spec, lease_epoch=1, **{"state": "watching", **fields})


def test_cameras_are_shown_as_their_worker_last_said(redis: OwnRedis, cache: Cache):
    reporter = StatusReporter(cache)
    lost = doing(2, state="lost", reason="rtsp://user:secret@10.0.0.1/1 went silent", last_frame_ns=NOW_NS)
    assert reporter.report([doing(1, fps=8.25, lag_s=0.125), lost])
    found = statuses.read(cache, [1, 2, 3])
    assert set(found) == {1, 2}
    assert (found[1].state, found[1].fps, found[1].lag_s, found[1].last_frame_ns) == ("watching", 8.25, 0.125, None)
    assert (found[2].state, found[2].last_frame_ns) == ("lost", NOW_NS)
    assert "secret" not in found[2].reason
    assert 0 < redis.client.pttl(STATUS.key(1)) <= 10_000


def test_a_supervisor_that_was_thought_dead_cannot_tell_old_news(redis: OwnRedis, cache: Cache):
    old, new = StatusReporter(cache), StatusReporter(cache)
    assert old.report([doing(1, fps=1)])
    assert not new.report([doing(1, fps=2)]), "one reports at a time"
    redis.client.delete(LOCK.key("fleet-report"))  # expired while the old one was paused
    assert new.report([doing(1, fps=2)])
    assert not old.report([doing(1, fps=3)])
    # What it sent before it noticed is refused by its token, too.
    locks = Locks(cache)
    assert old._held is None or not locks.put(old._held, {STATUS.key(1): {"fps": "3"}}, ttl_s=5)
    assert statuses.read(cache, [1])[1].fps == 2
    new.stop()
    assert old.report([doing(1, fps=4)])


def test_without_redis_no_camera_has_a_live_status(away: Cache):
    assert not StatusReporter(away).report([doing(1)])
    assert statuses.read(away, [1]) == {}


# Flags


def test_a_flag_is_its_default_until_set_and_after_a_loss(redis: OwnRedis, cache: Cache):
    flags = Flags(cache)
    assert flags.on(CACHED_COUNTS)
    flags.put(CACHED_COUNTS, False)
    assert not flags.on(CACHED_COUNTS)
    redis.client.flushall()
    assert Flags(cache).on(CACHED_COUNTS)


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def under_test(dsn: str, engine: Engine) -> Iterator[PostgresUnderTest]:
    store = PostgresStore(dsn)
    yield PostgresUnderTest(store, engine)
    store.close()


@pytest.fixture
def sink(redis: OwnRedis, dsn: str) -> Iterator[RedisSink]:
    sink = RedisSink(redis.url, dsn)
    yield sink
    sink.close()


def test_a_used_redis_holds_no_strangers_and_nothing_that_should_expire_does_not(
    under_test: PostgresUnderTest, engine: Engine, redis: OwnRedis, cache: Cache, sink: RedisSink
):
    watched = under_test.camera()
    sink.heal(force=True)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        DayTotals(cache).read(DEFAULT_TENANT_ID, DAY, {}, lambda ids: today.day_totals(session, DAY, ids))
    sink.publish(under_test.store.commit([delivery(watched, [crossing(watched, 1)])]))
    counts = CachedCounts(cache, Flags(cache))
    with transaction(engine, DEFAULT_TENANT_ID, one_snapshot=True) as session:
        counts.series(session, DEFAULT_TENANT_ID, from_ns=NOW_NS, to_ns=NOW_NS + DAY_NS, resolution="hour")
    StatusReporter(cache).report([doing(watched.id)])
    SessionCache(cache).find("a token", Users(SESSION_OF_ANNA).load, now_ns=NOW_NS)
    Flags(cache).put(CACHED_COUNTS, True)

    found = {key: family_of(key) for key in redis.all_keys()}
    assert None not in found.values()
    names = {family.name for family in found.values() if family is not None}
    assert names == {family.name for family in FAMILIES} - {"live", "flight"}, "each was used, or is over"
    for key, family in found.items():
        assert family is not None
        assert redis.client.type(key).decode() == family.type
        left_s = redis.client.pttl(key) / 1000
        assert (left_s == -0.001) if family.ttl_s is None else 0 < left_s <= family.ttl_s, key
    assert redis.client.hlen(TODAY.key(DEFAULT_TENANT_ID, DAY)) < 100

    seen = census.take(cache)
    assert (seen.other, seen.keys["answer"], seen.keys["flags"]) == (0, 1, 1)
    assert "no maxmemory" in seen.warnings[0]
    assert census.clear(cache) > 0
    assert {family_of(key).name for key in redis.all_keys()} == {"flags", "lock", "fence"}
