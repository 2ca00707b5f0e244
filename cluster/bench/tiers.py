"""What a minute of counts takes in every tier, in bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import text

from actors.tiers.run import run_due
from actors.tiers.steps import Step
from cluster.bench.days import Store, add_cameras, add_day, own_store
from cluster.bench.measure import Measure
from schema.database import transaction
from schema.errors import Permanent
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns

CAMERAS = 50
WARM_LIMIT_BYTES = 12.0
PARQUET_LIMIT_BYTES = 3.0


def measure() -> list[Measure]:
    """Bytes a minute of one line or zone, packed and in Parquet, beside those of a plain row in the same database."""
    now = datetime.now(UTC).replace(hour=12)
    with own_store() as store:
        watched = add_cameras(store.engine, CAMERAS)
        rows = add_day(store.engine, (now - timedelta(days=40)).date(), watched, np.random.default_rng(7))
        plain = _bytes(store, "select sum(pg_total_relation_size(relid)) from pg_partition_tree('counting_results')")
        _run(store, now)
        packed = _bytes(store, "select pg_total_relation_size('packed_days')")
        _run(store, now + timedelta(days=420))
        parquet = _bytes(store, "select sum(size) from archives where state = 'current'")
    return [
        _measure("tiers warm", packed / rows, plain / rows, WARM_LIMIT_BYTES),
        _measure("tiers parquet", parquet / rows, plain / rows, PARQUET_LIMIT_BYTES),
    ]


def _run(store: Store, now: datetime) -> Sequence[Step]:
    steps = run_due(store.engine, open_storage(store.settings.storage), now_ns=to_ns(now))
    if failed := next((step for step in steps if step.error), None):
        raise Permanent(f"the tiers could not be measured: {failed.error}")
    return steps


def _bytes(store: Store, query: str) -> int:
    with transaction(store.engine, DEFAULT_TENANT_ID) as session:
        return int(session.scalar(text(query)) or 0)


def _measure(name: str, value: float, plain: float, limit: float) -> Measure:
    return Measure(
        name=name,
        value=value,
        unit="bytes a minute",
        reference=f"limit {limit:g}; a plain row {plain:.0f}",
        ratio=value / limit,
    )
