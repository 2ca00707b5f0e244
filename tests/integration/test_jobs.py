"""Jobs are done once, whatever happens to workers, messages and the broker."""

import json
import shutil
import threading
from collections.abc import Iterator

import pika
import pytest
from sqlalchemy import Engine, text

from actors.jobs import worker as worker_module
from actors.jobs.keeper import JobKeeper
from actors.jobs.schedule import Periodic, Schedule
from actors.jobs.task import Cancelled
from actors.jobs.worker import ATTEMPTS
from actors.queue import dead_letters
from schema.database import across_tenants, open_engine, owner_transaction, transaction
from schema.errors import BadInput, NotFound, StoreUnavailable
from schema.names import JOBS_EXCHANGE, jobs_queue
from schema.queries import job_leases, jobs, tenants
from schema.tenants import DEFAULT_TENANT_ID, Tenant
from tests.door import Door
from tests.integration.job_bench import ARGUMENTS, KIND, JobBench, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn, pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def bench(services, dsn: str, engine: Engine) -> JobBench:
    with owner_transaction(engine) as session:
        session.execute(text("delete from jobs"))
        session.execute(text("delete from outbox"))
    bench = JobBench(dsn, services.rabbitmq.url, engine)
    bench.empty_broker()
    return bench


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_module, "RETRY_FIRST_S", 0.05)
    monkeypatch.setattr(worker_module, "RETRY_CAP_S", 0.2)


def test_a_job_waits_while_no_worker_is_there_and_is_done_when_one_comes(bench: JobBench):
    with bench.relaying():
        job = bench.request()
        with pytest.raises(AssertionError):
            bench.ended(job, patience_s=1.5)
        assert bench.get(job).state == "queued"
        with bench.working(lambda task: {"answer": task.arguments["what"]}):
            done = bench.ended(job)
    assert (done.state, done.result, done.progress, done.attempts) == ("done", {"answer": "counts"}, 1.0, 1)


def test_a_second_request_with_the_same_key_is_the_same_job(bench: JobBench):
    ids = set()
    for _ in range(2):
        with transaction(bench.engine, DEFAULT_TENANT_ID) as session:
            ids.add(jobs.request(session, KIND, ARGUMENTS, key="monday").id)
    with across_tenants(bench.engine) as session:
        assert session.scalar(text("select count(*) from outbox")) == 1
    assert len(ids) == 1


def test_a_request_that_is_rolled_back_leaves_neither_job_nor_message(bench: JobBench):
    with transaction(bench.engine, DEFAULT_TENANT_ID) as session:
        jobs.request(session, KIND, ARGUMENTS)
        session.rollback()
    with across_tenants(bench.engine) as session:
        assert session.scalar(text("select count(*) from outbox")) == 0
        assert session.scalar(text("select count(*) from jobs")) == 0


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        ("dance", {}, "no jobs 'dance': those that can be requested are backfill"),
        (KIND, {"what": "counts"}, "a job 'export' cannot have from: Field required"),
        (KIND, {**ARGUMENTS, "to": "2025-01-01T00:00:00Z"}, "'from' is not before 'to'"),
        ("backfill", {"video": "a.mp4", "camera": "a", "lines": {"door": "0,0,0,0"}}, "same point"),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_one_sentence(bench: JobBench, kind, arguments, says):
    with pytest.raises(BadInput, match=says), transaction(bench.engine, DEFAULT_TENANT_ID) as session:
        jobs.request(session, kind, arguments)


def test_the_same_message_ten_times_does_the_job_once(bench: JobBench):
    effects = []
    job = bench.request()
    with pika.BlockingConnection(bench.parameters) as connection:
        for _ in range(10):
            body = json.dumps({"job_id": job.id, "kind": KIND})
            connection.channel().basic_publish(JOBS_EXCHANGE, KIND, body.encode())
    with bench.working(lambda task: effects.append(task.job.id) or {}):
        bench.ended(job)
        eventually(lambda: depth(bench) == 0, "an empty queue")
    assert effects == [job.id]


def test_a_worker_taken_for_dead_cannot_complete_the_job_that_another_has(bench: JobBench):
    begun, go_on, epochs = threading.Event(), threading.Event(), []

    def hang(task):
        epochs.append(task.job.lease_epoch)
        begun.set()
        go_on.wait(20)
        return {"by": "the first"}

    job = bench.request()
    with bench.relaying(), bench.working(hang, lease_s=60.0):
        assert begun.wait(20)
        with owner_transaction(bench.engine) as session:  # as if it had been silent for a minute
            session.execute(
                text("update jobs set lease_expires_at = now() - interval '5 s', told_at = told_at - interval '60 s'")
            )
        with bench.working(lambda task: epochs.append(task.job.lease_epoch) or {"by": "the second"}, holder="two"):
            done = bench.ended(job)
        go_on.set()
    assert done.result == bench.get(job).result == {"by": "the second"}
    assert epochs == [1, 2]


def test_progress_is_seen_while_the_job_is_done(bench: JobBench):
    go_on = threading.Event()

    def work(task):
        task.report(0.25, "a quarter")
        go_on.wait(20)
        return {}

    with bench.at_work(work):
        job = bench.request()
        seen = eventually(lambda: (now := bench.get(job)).progress and now, "progress")
        go_on.set()
        assert (seen.progress, seen.message, seen.state, seen.holder) == (0.25, "a quarter", "running", "one")
        bench.ended(job)


def test_a_cancelled_job_stops_and_stays_cancelled(bench: JobBench):
    begun, stopped = threading.Event(), []

    def work(task):
        begun.set()
        try:
            eventually(lambda: task.check(), "the cancellation")
        except Cancelled:
            stopped.append(task.job.id)
            raise

    with bench.at_work(work):
        job = bench.request()
        assert begun.wait(20)
        bench.cancel(job)
        eventually(lambda: stopped, "the end of the work")
        assert bench.get(job).state == "cancelled"
    with pytest.raises(BadInput, match="is cancelled already"):
        bench.cancel(job)


def test_what_fails_for_now_is_tried_until_it_works_and_never_becomes_a_dead_letter(bench: JobBench):
    tries = []

    def work(task):
        tries.append(task.job.attempts)
        if len(tries) < ATTEMPTS + 3:
            raise StoreUnavailable("amqp://someone:secret@host is away")
        return {}

    with bench.at_work(work):
        done = bench.ended(bench.request())
    assert (done.state, done.attempts, done.retries) == ("done", 1, ATTEMPTS + 2)
    assert set(tries) == {1}
    assert dead_letters.look(bench.parameters, limit=10) == []


def test_what_cannot_be_done_has_failed_with_its_sentence(bench: JobBench):
    def refuse(_task):
        raise BadInput("there is no camera 'x'")

    with bench.at_work(refuse):
        failed = bench.ended(bench.request())
    assert (failed.state, failed.error, failed.attempts) == ("failed", "there is no camera 'x'", 1)


def test_poison_is_a_dead_letter_after_the_limit_and_replayed_it_is_done(bench: JobBench):
    poisonous = True

    def work(_task):
        if poisonous:
            raise ZeroDivisionError("amqp://someone:secret@host")
        return {}

    with bench.at_work(work):
        failed = bench.ended(bench.request())
        (letter,) = eventually(lambda: dead_letters.look(bench.parameters, limit=10), "a dead letter")
        assert (failed.attempts, failed.error) == (ATTEMPTS, "ZeroDivisionError: amqp://***@host")
        assert (letter.exchange, letter.queue, letter.reason) == (JOBS_EXCHANGE, jobs_queue(KIND), "rejected")
        assert letter.content["job_id"] == failed.id
        poisonous = False
        with across_tenants(bench.engine) as session:
            assert jobs.revive(session, failed.id)
        replayed = dead_letters.replay(bench.parameters, lambda _letter: True, before=lambda _letters: None)
        assert [one.id for one in replayed] == [letter.id]
        assert bench.ended(failed).state == "done"
    assert dead_letters.look(bench.parameters, limit=10) == []


def test_a_job_that_kills_its_worker_every_time_is_given_up(bench: JobBench):
    job = bench.request()
    for _ in range(ATTEMPTS):
        with across_tenants(bench.engine) as session:
            assert not isinstance(job_leases.claim(session, job.id, holder="victim", ttl_s=0), job_leases.Held)
    with bench.at_work(lambda _task: {}):
        failed = bench.ended(job)
    assert (failed.state, failed.error) == ("failed", "its worker ended without a word")


def test_a_message_that_names_no_job_is_a_dead_letter_and_the_next_is_handled(bench: JobBench):
    with pika.BlockingConnection(bench.parameters) as connection:
        for body in (b"\xff\xfe", b"[]", b'{"job_id": "one"}', b'{"job_id": 9999999}'):
            connection.channel().basic_publish(JOBS_EXCHANGE, KIND, body)
    with bench.at_work(lambda _task: {}):
        assert bench.ended(bench.request()).state == "done"
    assert [letter.body for letter in dead_letters.look(bench.parameters, limit=10)] == [
        b"\xff\xfe", b"[]", b'{"job_id": "one"}',
    ]  # fmt: skip


def test_jobs_whose_messages_are_lost_are_done_all_the_same(bench: JobBench):
    jobs_asked = [bench.request() for _ in range(20)]
    done = []
    with bench.relaying():
        eventually(lambda: depth(bench) == 20, "the messages")
        bench.empty_broker()
        with bench.working(lambda task: done.append(task.job.id) or {}):
            for job in jobs_asked:
                assert bench.ended(job).state == "done"
    assert sorted(done) == [job.id for job in jobs_asked]


def test_a_job_behind_others_is_not_told_again(bench: JobBench):
    with bench.relaying():
        bench.request()
        bench.request()
        eventually(lambda: depth(bench) == 2, "the messages")
        with pytest.raises(AssertionError):
            eventually(lambda: depth(bench) != 2, "another message", patience_s=3)


def test_periodic_jobs_are_requested_once_a_period_by_however_many(bench: JobBench):
    keepers = [JobKeeper(bench.dsn, bench.amqp_url, Schedule([Periodic(kind="rollup", every_s=300)])) for _ in range(3)]
    for now_s in (0, 1, 299, 300):
        for keeper in keepers:
            keeper.step((1_800_000_000 + now_s) * 10**9)
        with across_tenants(bench.engine) as session:
            session.execute(text("update jobs set state = 'done', finished_at = now()"))
    with transaction(bench.engine, DEFAULT_TENANT_ID) as session:
        assert [job.key for job in jobs.listing(session)] == ["rollup:2027-01-15T08:05Z", "rollup:2027-01-15T08:00Z"]
    for keeper in keepers:
        keeper.close()


def test_jobs_of_another_tenant_are_done_and_not_seen(bench: JobBench):
    with owner_transaction(bench.engine) as session:
        other = tenants.add(session, Tenant(name="other")).id
    with transaction(bench.engine, other) as session:
        theirs = jobs.request(session, KIND, ARGUMENTS)
    seen = []
    with bench.at_work(lambda task: seen.append(task.job.tenant_id) or {}):
        bench.ended(bench.request())
        eventually(lambda: other in seen, "the other tenant's job")
    with pytest.raises(NotFound, match=f"no job {theirs.id}"):
        bench.get(theirs)
    with pytest.raises(NotFound), transaction(bench.engine, DEFAULT_TENANT_ID) as session:
        jobs.cancel(session, theirs.id)
    with transaction(bench.engine, other) as session:
        assert [job.tenant_id for job in jobs.listing(session)] == [other]


def depth(bench: JobBench) -> int:
    with pika.BlockingConnection(bench.parameters) as connection:
        return connection.channel().queue_declare(jobs_queue(KIND), passive=True).method.message_count


def test_a_broker_that_lost_everything_gets_its_queues_and_messages_again(services, bench: JobBench):
    done = []
    with bench.relaying():
        job = bench.request()
        eventually(lambda: depth(bench) == 1, "the message")
        services.rabbitmq.stop()
        shutil.rmtree(services.rabbitmq.folder / "data")
        services.rabbitmq.start()
        with bench.working(lambda task: done.append(task.job.id) or {}):
            assert bench.ended(job).state == "done"
    assert done == [job.id]


def test_a_job_whose_connection_breaks_in_the_middle_is_done_once(services, bench: JobBench):
    begun, go_on, effects = threading.Event(), threading.Event(), []

    def work(task):
        begun.set()
        go_on.wait(20)
        effects.append(task.job.id)
        return {}

    job = bench.request()
    with Door(services.rabbitmq.port) as door, bench.relaying():
        through = JobBench(
            bench.dsn, bench.amqp_url.replace(f":{services.rabbitmq.port}/", f":{door.port}/"), bench.engine
        )
        with through.working(work, lease_s=2.0):
            assert begun.wait(20)
            door.shut()
            with bench.working(lambda task: effects.append(-task.job.id) or {}, holder="other", lease_s=2.0):
                eventually(lambda: depth(bench) == 0, "the message in other hands")
                door.open()
                go_on.set()
                assert bench.ended(job).holder == "one"
                eventually(lambda: depth(bench) == 0, "an empty queue")
    assert effects == [job.id]
