"""A person whose data lies everywhere, and a search through everything for it."""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pika
import pyarrow.parquet as pq
import redis
from sqlalchemy import Engine

from actors.jobs.export import export
from actors.jobs.task import Task
from actors.queue.relay import OutboxRelay
from actors.queue.topology import QUEUES, parameters_of
from actors.sinks.postgres import PostgresStore
from actors.tiers.run import run_due
from cluster.erasure import reach_of
from schema.cache.client import Cache
from schema.cache.sessions import SessionCache
from schema.crypto import USER_EMAIL
from schema.database import Acting, across_tenants, open_engine, transaction
from schema.names import ALERTS_EXCHANGE, DEAD_LETTER_EXCHANGE
from schema.privacy.reach import Reach
from schema.queries import alerts, audit, cameras, job_leases, jobs, user_sessions, users
from schema.queries.alerts import Alert
from schema.queries.cameras import Camera
from schema.settings import StorageSettings
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID as TENANT
from schema.times import to_text
from schema.users import User
from tests.contracts.stores import PostgresUnderTest
from tests.contracts.test_store import BEGIN_NS, crossing, delivery
from tests.integration.job_bench import eventually

NAME = "ada.lovelace-7f3c"
EMAIL = "Ada.Lovelace@analytical.example.org"
ADDRESSES = ("203.0.113.77", "2001:db8::ada:77")
BROWSER = "Ada's Difference Engine 2.0"
PASSWORD = "$argon2id$adas-password"
NEEDLES = (NAME, EMAIL, *ADDRESSES, BROWSER, PASSWORD)
SPAN = {"from": to_text(BEGIN_NS), "to": to_text(BEGIN_NS + 86_400 * 10**9)}
DAY_NS = 86_400 * 10**9

Queued = dict[str, list[bytes]]


class World:
    """One database with its broker, cache and files, in which a person has left traces everywhere."""

    def __init__(self, services: Any, dsn: str, folder: Path) -> None:
        self.dsn, self.redis_url, self.amqp_url = dsn, services.redis.url, services.rabbitmq.url
        self.folder = folder
        self.engine: Engine = open_engine(dsn, pool_size=3)
        self.files = open_storage(StorageSettings(url=folder.as_uri()))
        self.parameters = parameters_of(self.amqp_url)

    @property
    def reach(self) -> Reach:
        return reach_of(self.engine, self.files, redis_url=self.redis_url, amqp_url=self.amqp_url)

    def fill(self) -> None:
        with transaction(self.engine, TENANT) as session:
            self.boss = users.add(session, User(username="boss", role="admin")).id
            ada = users.add(session, User(username=NAME, email=EMAIL, role="admin", password_hash=PASSWORD)).id
        self.ada = ada
        self._sign_in()
        self._act()
        self._request_jobs()
        self._acknowledge()
        self._leave_messages()
        run_due(self.engine, self.files, now_ns=BEGIN_NS + 800 * DAY_NS)

    def _sign_in(self) -> None:
        now_ns = time.time_ns()
        self.tokens: list[str] = []
        for address in ADDRESSES:
            with transaction(self.engine, TENANT) as session:
                token = user_sessions.create(
                    session, self.ada, now_ns=now_ns, ttl_s=3600, ip_address=address, user_agent=BROWSER
                ).token
                users.note_login(session, self.ada, now_ns=now_ns)
            self.tokens.append(token)
            assert self.session(token) is not None

    def session(self, token: str) -> Any:
        def load() -> Any:
            with across_tenants(self.engine) as session:
                return user_sessions.find(session, token, now_ns=time.time_ns())

        return SessionCache(Cache(self.redis_url)).find(token, load, now_ns=time.time_ns())

    def _act(self) -> None:
        for number, address in enumerate(ADDRESSES):
            with transaction(self.engine, TENANT, acting=Acting(user_id=self.ada, ip_address=address)) as session:
                cameras.add(session, Camera(name=f"hers-{number}", source="rtsp://10.0.0.1/1"))
                audit.record_read(session, USER_EMAIL, self.boss)

    def _request_jobs(self) -> None:
        store = PostgresStore(self.dsn)
        camera = PostgresUnderTest(store, self.engine).camera()
        store.commit([delivery(camera, [crossing(camera, i, at_s=60 * i) for i in range(20)])])
        store.close()
        formats = {"csv": self.ada, "parquet": self.ada}
        self.exports = {name: self._export(by, format=name, what="counts") for name, by in formats.items()}
        # The same content as one that somebody else asked for is one file.
        self.shared = self._export(self.ada, format="csv", what="crossings")
        assert self._export(self.boss, format="csv", what="crossings")["path"] == self.shared["path"]
        with transaction(self.engine, TENANT) as session:
            video = {"video": f"/home/{NAME}/lobby.mp4", "camera": "lobby"}
            self.open_job = jobs.request(session, "backfill", video, key=f"for {EMAIL}", requested_by=self.ada).id

    def _export(self, by: int, **given: str) -> Any:
        with transaction(self.engine, TENANT) as session:
            job = jobs.request(session, "export", {**SPAN, **given}, requested_by=by)
        result = export(Task(job), engine=self.engine, store=self.files, now_ns=time.time_ns())
        with across_tenants(self.engine) as session:
            claimed = job_leases.claim(session, job.id, holder="test", ttl_s=60)
            job_leases.complete(session, claimed, result)
        return result

    def _acknowledge(self) -> None:
        now_ns = time.time_ns()
        for type_ in ("disk", "sign-in"):
            alert = Alert(
                type=type_,
                severity="info",
                message=f"{NAME} was here, from {ADDRESSES[0]}; ask {EMAIL.lower()}.",
                raised_ns=now_ns,
                data={"who": [NAME, {"at": ADDRESSES[1]}], "count": 3},
            )
            with transaction(self.engine, TENANT) as session:
                self.alert = alerts.raise_(session, alert)
        with transaction(self.engine, TENANT) as session:
            alerts.acknowledge(session, self.alert, user_id=self.ada, now_ns=now_ns)

    def _leave_messages(self) -> None:
        self.relay()
        with transaction(self.engine, TENANT) as session:
            alerts.resolve(session, "disk", now_ns=time.time_ns())  # its message stays in the outbox
        with pika.BlockingConnection(self.parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            self.letters = [
                json.dumps({"user": {"name": NAME}, "n": 1}).encode(),
                b"\xff not JSON, of " + NAME.encode(),
                b'{"innocent": true}',
                b"\xfe innocent",
            ]
            for body in self.letters:
                channel.basic_publish(DEAD_LETTER_EXCHANGE, "", body)
            for number in range(1200):
                body = json.dumps(
                    {"type": "alert", "message": f"{NAME} {number}" if number % 2 else "calm", "n": number}
                )
                channel.basic_publish(
                    ALERTS_EXCHANGE, "info.test", body.encode(), pika.BasicProperties(message_id=str(number))
                )

    def relay(self) -> None:
        """Send what is in the outbox."""
        relay = OutboxRelay(self.dsn, self.amqp_url)
        while relay.run_once(500):
            pass
        relay.close()

    def found(self, needles: Iterable[str] = NEEDLES, *, queued: Queued | None = None) -> dict[str, set[str]]:
        """In which stores which of these lie, in whatever letter case."""
        bodies = (self.queued() if queued is None else queued).values()
        stores = {
            "postgres": [self._dump()],
            "redis": list(self._redis()),
            "queues": [body.decode(errors="replace") for of_queue in bodies for body in of_queue],
            "files": list(self._contents()),
        }
        return {
            store: {needle for needle in needles if any(needle.lower() in text.lower() for text in texts)}
            for store, texts in stores.items()
        }

    def _dump(self) -> str:
        dump = ["pg_dump", "--inserts", self.dsn]
        return subprocess.run(dump, capture_output=True, check=True, text=True).stdout.replace("''", "'")

    def _redis(self) -> Iterator[str]:
        client = redis.Redis.from_url(self.redis_url)
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            yield key.decode(errors="replace")
            yield str(
                client.hgetall(key) if kind == b"hash" else client.dump(key) if kind != b"string" else client.get(key)
            )

    def queued(self) -> Queued:
        """All messages that wait; they stay, in another order."""
        found: Queued = {}
        with pika.BlockingConnection(self.parameters) as connection:
            channel = connection.channel()
            for queue in QUEUES:
                bodies: list[bytes] = []
                while (taken := channel.basic_get(queue))[0] is not None:
                    bodies.append(taken[2])
                channel.basic_nack(0, multiple=True, requeue=True)
                eventually(partial(_has_returned, channel, queue, len(bodies)), "the return of the messages")
                found[queue] = bodies
        return found

    def _contents(self) -> Iterator[str]:
        for path in self.folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                yield f"{path} {content.decode(errors='replace')}"
                if content[:4] == b"PAR1":
                    yield str(pq.read_table(path).to_pylist())


@contextmanager
def world(services: Any, dsn: str, folder: Path) -> Iterator[World]:
    made = World(services, dsn, folder)
    try:
        yield made
    finally:
        made.engine.dispose()


def _has_returned(channel: Any, queue: str, count: int) -> bool:
    return channel.queue_declare(queue, passive=True).method.message_count == count
