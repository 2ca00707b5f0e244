"""``turnstile queue`` and ``turnstile jobs`` on a real broker: nothing is lost by looking at it."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from sqlalchemy import Engine

from actors.queue import dead_letters
from actors.queue.relay import OutboxRelay
from cluster.cli import run
from schema.database import across_tenants, open_engine
from schema.names import CROSSINGS_QUEUE, DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, EVENTS_EXCHANGE, jobs_queue
from schema.queries import job_leases
from tests.integration.job_bench import ARGUMENTS, KIND, JobBench

pytestmark = pytest.mark.integration

Turnstile = Callable[..., tuple[int, str, str]]


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn, pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def bench(services, dsn: str, engine: Engine) -> JobBench:
    bench = JobBench(dsn, services.rabbitmq.url, engine)
    bench.empty_broker()
    return bench


@pytest.fixture
def turnstile(
    services, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Turnstile:
    monkeypatch.setenv("TURNSTILE_POSTGRES_DSN", dsn)
    monkeypatch.setenv("TURNSTILE_REDIS_URL", services.redis.url)
    monkeypatch.setenv("TURNSTILE_AMQP_URL", services.rabbitmq.url)
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def dead(bench: JobBench) -> list[str]:
    """A crossing that was rejected, something that is not JSON, and something that died nowhere; their ids."""
    with pika.BlockingConnection(bench.parameters) as connection:
        channel = connection.channel()
        for number, body in enumerate((b'{"event_id": "e1"}', b"\xff no JSON")):
            properties = pika.BasicProperties(message_id=f"m{number}", headers={"published_at": "now"})
            channel.basic_publish(EVENTS_EXCHANGE, "crossing.1.2", body, properties)
        for _ in range(2):
            method, _, _ = next(channel.consume(CROSSINGS_QUEUE, inactivity_timeout=5))
            channel.basic_reject(method.delivery_tag, requeue=False)
        channel.cancel()
        channel.basic_publish(DEAD_LETTER_EXCHANGE, "", b"lost", pika.BasicProperties(message_id="m2"))
    return ["m0", "m1", "m2"]


def listed(turnstile: Turnstile) -> list[dict[str, Any]]:
    return json.loads(turnstile("queue", "dead-letters", "list", "--json")[1])


def take(bench: JobBench, queue: str) -> list[tuple[bytes, dict[str, Any]]]:
    with pika.BlockingConnection(bench.parameters) as connection:
        channel, taken = connection.channel(), []
        while True:
            _, properties, body = channel.basic_get(queue, auto_ack=True)
            if body is None or properties is None:
                return taken
            headers = dict(properties.headers or {})
            headers.pop("x-delivery-count", None)
            taken.append((body, headers))


def test_dead_letters_are_looked_at_and_stay(turnstile: Turnstile, bench: JobBench, dead: list[str]):
    first = listed(turnstile)
    assert first == listed(turnstile)
    assert [letter["id"] for letter in first] == dead
    assert first[0]["body"] == {"event_id": "e1"}
    assert first[1]["body_base64"] == "/yBubyBKU09O"
    assert (first[0]["exchange"], first[0]["routing_key"], first[0]["reason"]) == (
        EVENTS_EXCHANGE, "crossing.1.2", "rejected",
    )  # fmt: skip
    code, out, _ = turnstile("queue", "dead-letters", "list")
    assert code == 0
    assert "not JSON" in out
    assert len(take(bench, DEAD_LETTER_QUEUE)) == 3


def test_a_dead_letter_is_replayed_as_it_was_and_the_others_stay(
    turnstile: Turnstile, bench: JobBench, dead: list[str]
):
    code, out, _ = turnstile("queue", "dead-letters", "replay", "--id", "m1")
    assert (code, out) == (0, "replayed 1 dead letters\n")
    assert take(bench, CROSSINGS_QUEUE) == [(b"\xff no JSON", {"published_at": "now"})]
    assert [letter["id"] for letter in listed(turnstile)] == ["m0", "m2"]


def test_a_dead_letter_from_nowhere_can_only_be_dropped(turnstile: Turnstile, bench: JobBench, dead: list[str]):
    code, _, err = turnstile("queue", "dead-letters", "replay", "--all")
    assert (code, err.count("\n")) == (2, 1)
    assert "m2 does not say where it came from: it can only be dropped" in err
    assert len(listed(turnstile)) == 3
    assert turnstile("queue", "dead-letters", "drop", "--id", "m2", "--yes")[0] == 0
    assert turnstile("queue", "dead-letters", "replay", "--all", "--json")[0] == 0
    assert listed(turnstile) == []
    assert len(take(bench, CROSSINGS_QUEUE)) == 2


def test_what_to_drop_must_be_said_and_confirmed(
    turnstile: Turnstile, dead: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "give --id" in turnstile("queue", "dead-letters", "drop", "--yes")[2]
    assert turnstile("queue", "dead-letters", "drop", "--all")[0] == 1  # nobody is there to confirm
    code, _, err = turnstile("queue", "dead-letters", "drop", "--id", "m9", "--yes")
    assert (code, "there is no dead letter m9" in err) == (2, True)
    assert len(listed(turnstile)) == 3
    assert turnstile("queue", "dead-letters", "drop", "--all", "--yes")[0] == 0
    assert listed(turnstile) == []


def test_the_job_of_a_replayed_dead_letter_starts_over(turnstile: Turnstile, bench: JobBench):
    job = bench.request()
    relay = OutboxRelay(bench.dsn, bench.amqp_url)
    relay.run_once(10)
    relay.close()
    with across_tenants(bench.engine) as session:
        claimed = job_leases.claim(session, job.id, holder="it", ttl_s=9)
        assert claimed is not None
        assert not isinstance(claimed, job_leases.Held)
        job_leases.fail(session, claimed, "no")
    with pika.BlockingConnection(bench.parameters) as connection:
        channel = connection.channel()
        method, _, _ = next(channel.consume(jobs_queue(KIND), inactivity_timeout=5))
        channel.basic_reject(method.delivery_tag, requeue=False)
        channel.cancel()
    assert turnstile("queue", "dead-letters", "replay", "--all")[:2] == (0, "replayed 1 dead letters\n")
    assert (bench.get(job).state, bench.get(job).attempts) == ("queued", 0)
    assert [json.loads(body)["job_id"] for body, _ in take(bench, jobs_queue(KIND))] == [job.id]


def test_the_status_tells_what_waits_where(turnstile: Turnstile, bench: JobBench):
    bench.request()
    status = json.loads(turnstile("queue", "status", "--json")[1])
    lanes = {lane["queue"]: lane for lane in status["queues"]}
    assert status["outbox"]["turnstile.jobs"] >= 1
    assert lanes[jobs_queue(KIND)]["jobs_queued"] >= 1
    assert (lanes[CROSSINGS_QUEUE]["ready"], lanes[CROSSINGS_QUEUE]["consumers"]) == (0, 0)
    assert CROSSINGS_QUEUE in turnstile("queue", "status")[1]


def test_a_job_is_requested_shown_watched_and_cancelled_by_command(turnstile: Turnstile, bench: JobBench):
    given = [f"{name}={value}" for name, value in ARGUMENTS.items()]
    asked = json.loads(turnstile("jobs", "request", KIND, *given, "--key", "once", "--json")[1])
    assert json.loads(turnstile("jobs", "request", KIND, *given, "--key", "once", "--json")[1])["id"] == asked["id"]
    job_id = str(asked["id"])
    assert json.loads(turnstile("jobs", "show", job_id, "--json")[1])["arguments"] == ARGUMENTS
    assert job_id in turnstile("jobs", "list", "--state", "queued")[1]
    assert turnstile("jobs", "cancel", job_id)[:2] == (0, f"cancelled job {job_id}\n")
    code, out, _ = turnstile("jobs", "watch", job_id, "--json")
    assert (code, json.loads(out)["state"]) == (1, "cancelled")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "999999"), "there is no job 999999"),
        (("cancel", "999999"), "there is no job 999999"),
        (("request", "dance"), "there are no jobs 'dance'"),
        (("request", KIND, "what"), "'what' is not an argument: write it like name=value"),
        (("request", KIND, "what=all"), "a job 'export' cannot have what"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(turnstile: Turnstile, arguments: tuple[str, ...], words: str):
    code, out, err = turnstile("jobs", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_letters_that_stay_still_know_how_they_died(bench: JobBench, turnstile: Turnstile, dead: list[str]):
    before = listed(turnstile)
    assert turnstile("queue", "dead-letters", "drop", "--id", "m2", "--yes")[0] == 0
    assert sorted(listed(turnstile), key=lambda letter: letter["id"]) == before[:2]


def test_of_hundreds_of_letters_none_comes_back_and_the_others_keep_their_order(bench: JobBench):
    with pika.BlockingConnection(bench.parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(1100):
            channel.basic_publish(DEAD_LETTER_EXCHANGE, "", b"%d" % number)
    dropped = dead_letters.drop(bench.parameters, lambda letter: int(letter.body) % 2 == 0)
    assert [int(letter.body) for letter in dropped] == list(range(0, 1100, 2))
    left = dead_letters.look(bench.parameters, limit=2000)
    assert [int(letter.body) for letter in left] == list(range(1, 1100, 2))
