"""Days of counts as busy streets have them, every minute of every line and zone, in a database of their own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor
from sqlalchemy import Engine, text

from cluster.services import Services
from schema.database import migrate, open_engine, transaction
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.settings import Settings
from schema.tenants import DEFAULT_TENANT_ID

MINUTES: Final = 1440
_COLUMNS: Final = (
    "camera_id, zone_id, bucket, dwell_s, count_in, count_out, effective_in, effective_out, appeared, lost"
)
_SCENE: Final = Scene(
    lines=(parse_line("door=0.5,0,0.5,1"),),
    zones=(parse_zone("hall=0.1,0.1,0.9,0.1,0.5,0.9"), parse_zone("queue=0.1,0.2,0.9,0.2,0.5,0.9")),
)


@dataclass(frozen=True, kw_only=True)
class Store:
    """A migrated database of its own, and a folder for files beside it."""

    engine: Engine
    dsn: str
    owner_dsn: str
    settings: Settings


@contextmanager
def own_store() -> Iterator[Store]:
    """A database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="turnstile-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # servers run as another user when we are root
        settings = Settings(home=home)
        with Services(settings, database_only=True) as services:
            migrate(services.endpoints.postgres_owner_dsn)
            engine = open_engine(services.endpoints.postgres_dsn)
            yield Store(
                engine=engine,
                dsn=services.endpoints.postgres_dsn,
                owner_dsn=services.endpoints.postgres_owner_dsn,
                settings=settings,
            )
            engine.dispose()


def add_cameras(engine: Engine, count: int) -> list[Camera]:
    """Cameras with a line and two zones each."""
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return [
            cameras.add(session, Camera(name=f"street-{number}", source="x.mp4", scene=_SCENE))
            for number in range(count)
        ]


def add_day(engine: Engine, day: date, watched: list[Camera], random: np.random.Generator) -> int:
    """Store a day of minutes of all their lines and zones, as the plain rows that counting leaves. Returns how many."""
    rules = [(camera.id, rule.id, rule in camera.scene.zones) for camera in watched for rule in camera.scene.rules]
    sums = _minutes(random, np.array([is_zone for _, _, is_zone in rules]))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(
            text("select ensure_partition('counting_results', :first, :last)"),
            {"first": midnight, "last": midnight + timedelta(days=1)},
        )
        session.execute(
            text(f"create temporary table minutes on commit drop as select {_COLUMNS} from counting_results limit 0")  # noqa: S608
        )
        cursor = cast(Cursor[Any], session.connection().connection.cursor())
        with cursor.copy(f"copy minutes ({_COLUMNS}) from stdin") as copy:
            for (camera_id, zone_id, _), of_rule in zip(rules, sums, strict=True):
                for minute, (*counts, dwell_ms) in enumerate(of_rule.tolist()):
                    copy.write_row((camera_id, zone_id, midnight + timedelta(minutes=minute), dwell_ms / 1000, *counts))
        session.execute(
            text(f"insert into counting_results ({_COLUMNS}) select {_COLUMNS} from minutes order by bucket, zone_id")  # noqa: S608
        )
    return sums.shape[0] * MINUTES


def _minutes(random: np.random.Generator, is_zone: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Counts of lines and zones, int64 (N, 1440, 7): in, out, effective in and out, appeared, lost, dwell in ms.

    Three rushes a day; people come by chance; 4 % turn round, 15 % are first or last seen inside a zone, and stay there
    for 18 s on average. No minute is empty: packing must not gain by what is not there.
    """
    minute = np.arange(MINUTES)
    rushes = ((510, 90, 1.0), (750, 60, 0.7), (1050, 110, 1.0))
    rhythm = 0.15 + sum(height * np.exp(-(((minute - at) / width) ** 2)) for at, width, height in rushes)
    expected = random.gamma(4, 1.2, size=(len(is_zone), 1)) * rhythm
    inward, outward = random.poisson(expected), random.poisson(expected)
    zone = is_zone[:, None]
    appeared, lost = random.poisson(expected * 0.15) * zone, random.poisson(expected * 0.15) * zone
    inward += (inward + outward + appeared + lost) == 0
    left = (outward + lost) * zone
    dwell_ms = np.where(left > 0, random.gamma(np.maximum(left, 1) * 1.5, 12_000), 0)
    turned_in, turned_out = random.binomial(inward, 0.04), random.binomial(outward, 0.04)
    columns = (inward, outward, inward - turned_in, outward - turned_out, appeared, lost, dwell_ms)
    return np.stack(columns, axis=2).astype(np.int64)
