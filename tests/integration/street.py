"""Live cameras at work on the running system, and everyone who knows what they counted."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from sqlalchemy import Engine, Row, text

from cluster.main import Running
from cluster.witnesses import LiveWitness, QueueWitness, ask_postgres, ask_redis
from schema.database import across_tenants, transaction
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import cameras, outbox
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID
from schema.wire import unpack_delivery
from tests.clips import vtest
from tests.integration.replayed import need_data

SCENE = Scene(
    lines=(parse_line("gate=0.7,0,0.7,1"), parse_line("level=0,0.5,1,0.5"), parse_line("low=0,0.6,1,0.6")),
    zones=(parse_zone("middle=0.3,0.3,0.7,0.3,0.7,0.8,0.3,0.8"),),
)
PATIENCE_S = 20.0
_POLL_S = 0.1
_TAIL_S = 0.02


def eventually(what: str, true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> float:
    """Ask again and again until it is true; gives the seconds that it took."""
    began_s = time.monotonic()
    while not true():
        assert time.monotonic() - began_s < within_s, f"not within {within_s:g} s: {what}"
        time.sleep(_POLL_S)
    return time.monotonic() - began_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """An interval in which a camera was watched."""

    camera_id: int
    epoch: str
    from_ns: int
    to_ns: int


class JournalWitness:
    """Reads what workers found in their journals, where it lies before any server has heard of it.

    While the store takes deliveries, one may be gone before it is read here; while it does not, all are read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_to: dict[Path, int] = {}
        self._found: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="journal-witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join()

    def found(self, camera_ids: Collection[int]) -> set[str]:
        """Ids of the events that workers found at these cameras."""
        return {event_id for event_id, camera_id in list(self._found.items()) if camera_id in camera_ids}

    def _follow(self) -> None:
        while not self._stopping.wait(_TAIL_S):
            for path in self._folder.glob("*.journal"):
                # A worker that ends takes its empty journal away.
                with suppress(sqlite3.OperationalError):
                    self._read(path)

    def _read(self, path: Path) -> None:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "select id, body from deliveries where id > ? order by id", (self._read_to.get(path, 0),)
            ).fetchall()
        for number, body in rows:
            for crossing in unpack_delivery(body).crossings:
                self._found[str(crossing.event_id)] = crossing.camera_id
            self._read_to[path] = number


class Street:
    """Live cameras that count, under the eyes of witnesses. A context manager: it takes its cameras away at the end."""

    def __init__(self, running: Running, engine: Engine, *, sources: Sequence[str] = ()) -> None:
        """Nothing happens yet.

        Args:
            running: the system.
            engine: its database.
            sources: one a camera; none means three cameras that play the demo's video.
        """
        need_data()
        self._running = running
        self._engine = engine
        self._sources = sources or (str(vtest()),) * 3
        self._stack = ExitStack()
        self.cameras: list[Camera] = []

    def __enter__(self) -> Self:
        """Set the cameras to work when the witnesses listen, and return when each is watched."""
        run = uuid4().hex[:6]
        names = [f"street-{run}-{number}" for number in range(len(self._sources))]
        with self._stack as stack:
            self.journal = stack.enter_context(JournalWitness(self._running.settings.home / "journals"))
            self.queue = stack.enter_context(QueueWitness(self._running.endpoints.amqp_url, run))
            for name, source in zip(names, self._sources, strict=True):
                camera = Camera(name=name, source=source, scene=SCENE, detect_fps=None, enabled=False)
                with transaction(self._engine, DEFAULT_TENANT_ID) as session:
                    self.cameras.append(cameras.add(session, camera))
                stack.callback(self._remove, name)
            self.live = stack.enter_context(LiveWitness(self.live_url))
            self._enable(True)
            eventually("every camera is watched", lambda: {c.camera_id for c in self.covered()} == self.ids)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def ids(self) -> set[int]:
        """The cameras' ids."""
        return {camera.id for camera in self.cameras}

    @property
    def live_url(self) -> str:
        """The WebSocket with the news of these cameras alone."""
        query = "&".join(f"camera={camera.name}" for camera in self.cameras)
        return f"{self._running.api_url}/api/v1/live?{query}".replace("http", "ws", 1)

    def stop(self) -> None:
        """Stop counting, and wait until all that was counted has reached PostgreSQL and the broker."""
        self._enable(False)
        eventually("the workers have let go of the cameras and delivered everything", self._is_delivered)
        eventually("the outbox is empty", lambda: self.outbox() == 0)

    def _enable(self, enabled: bool) -> None:
        with transaction(self._engine, DEFAULT_TENANT_ID) as session:
            for camera in self.cameras:
                cameras.change(session, replace(camera, enabled=enabled))

    def _is_delivered(self) -> bool:
        workers = self._running.overview().workers
        held = {camera.spec.id for worker in workers for camera in worker.cameras}
        return not held & self.ids and not any(worker.unsent_bytes for worker in workers)

    def _remove(self, name: str) -> None:
        with transaction(self._engine, DEFAULT_TENANT_ID) as session:
            cameras.remove(session, cameras.by_name(session, name).id)

    def crossings(self, from_ns: int = 0, to_ns: int = 2**62) -> set[str]:
        """Ids of what is stored, of crossings that occurred in a span of time."""
        rows = self._ask(
            "select event_id::text as event_id, (extract(epoch from occurred_at) * 1000000000)::bigint as at"
            " from crossings where camera_id = any(:ids)"
        )
        ids = [row.event_id for row in rows if from_ns <= row.at < to_ns]
        assert len(ids) == len(set(ids)), "a crossing is stored twice"
        return set(ids)

    def covered(self) -> list[Covered]:
        """When the cameras were watched, by camera and time."""
        rows = self._ask(
            "select camera_id, epoch, (extract(epoch from from_at) * 1000000000)::bigint as from_ns,"
            " (extract(epoch from to_at) * 1000000000)::bigint as to_ns"
            " from coverage where camera_id = any(:ids) order by camera_id, from_at"
        )
        return [Covered(**row._mapping) for row in rows]

    def news(self) -> list[tuple[str, int]]:
        """What happened to the cameras, and when in ns, in order."""
        rows = self._ask(
            'select event_type, (extract(epoch from "timestamp") * 1000000000)::bigint as at from camera_events'
            ' where camera_id = any(:ids) order by "timestamp"'
        )
        return [(row.event_type, row.at) for row in rows]

    def outbox(self) -> int:
        """How many messages wait for the broker."""
        with across_tenants(self._engine) as session:
            return sum(outbox.waiting(session).values())

    def check_sums(self) -> None:
        """Totals, minutes and single crossings in PostgreSQL say the same, whatever is counted."""
        sums = "count_in, count_out, effective_in, effective_out, appeared, lost"
        added = ", ".join(f"sum({name})::bigint as {name}" for name in sums.split(", "))
        totals = self._ask(f"select zone_id, {sums} from zone_totals where zone_id in ({_RULES}) order by 1")
        minutes = self._ask(
            f"select zone_id, {added} from counting_results where camera_id = any(:ids) group by 1 order by 1"
        )
        single = self._ask(
            "select zone_id, count(*) filter (where cause = 'crossed' and direction = 'in') as count_in,"
            " count(*) filter (where cause = 'crossed' and direction = 'out') as count_out,"
            " count(*) filter (where cause = 'appeared') as appeared, count(*) filter (where cause = 'lost') as lost"
            " from crossings where camera_id = any(:ids) group by 1 order by 1"
        )
        assert totals == minutes
        assert [(row.zone_id, row.count_in, row.count_out, row.appeared, row.lost) for row in totals] == single

    def stored(self) -> Counter[tuple[int, str]]:
        """Crossings by rule id and direction, counted in PostgreSQL."""
        return Counter(ask_postgres(self._running.endpoints.postgres_dsn, self.ids))

    def in_redis(self) -> Counter[tuple[int, str]]:
        """The same, in the live totals."""
        return Counter(ask_redis(self._running.endpoints.redis_url, self.ids))

    def in_queue(self) -> Counter[tuple[int, str]]:
        """The same, as the broker told it, each event counted once."""
        rules = {rule.id for camera in self.cameras for rule in camera.scene.rules}
        return Counter({key: count for key, count in self.queue.counts.items() if key[0] in rules})

    def shown(self) -> Counter[tuple[int, str]]:
        """The same, in the last totals that the WebSocket's client was sent."""
        return Counter(
            {
                (totals["rule_id"], direction): totals[f"count_{direction}"]
                for totals in self.live.totals
                for direction in ("in", "out")
            }
        )

    def _ask(self, question: str) -> Sequence[Row[Any]]:
        with transaction(self._engine, DEFAULT_TENANT_ID) as session:
            return session.execute(text(question), {"ids": sorted(self.ids)}).all()


_RULES = "select id from zones where camera_id = any(:ids)"
