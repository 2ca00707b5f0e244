"""What the store says, read anew whenever Prometheus asks."""

import time
from collections.abc import Iterator

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from schema import names
from schema.database import across_tenants
from schema.errors import Retryable
from schema.queries import figures
from schema.queries.figures import Figures

_log = structlog.get_logger(__name__)


class StoreCollector(Collector):
    """Counts, coverage and backlog from PostgreSQL; while it is away, only the metric that says so."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> list[Metric]:
        """Nothing, so that registering does not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        try:
            with across_tenants(self._engine) as session:
                read = figures.read(session, now_ns=time.time_ns())
        except Retryable as error:
            _log.warning("Figures could not be read from the store", error=str(error))
            read = None
        yield GaugeMetricFamily(
            "turnstile_store_up", "Whether PostgreSQL answers: 1 or 0.", value=int(read is not None)
        )
        if read is not None:
            yield from _families(read)


def _families(read: Figures) -> Iterator[Metric]:
    crossings = CounterMetricFamily(
        names.CROSSINGS_TOTAL, "People who crossed a line or a zone's border.", labels=("camera", "line", "direction")
    )
    for figure in read.counts:
        crossings.add_metric((figure.camera, figure.rule, figure.direction), figure.crossings)
    coverage = GaugeMetricFamily(
        names.COVERAGE_RATIO, "Share of the last 5 minutes in which a camera was watched.", labels=("camera",)
    )
    for camera, ratio in read.coverage_ratio.items():
        coverage.add_metric((camera,), ratio)
    waiting = GaugeMetricFamily(
        names.OUTBOX_WAITING, "Messages that the broker has not confirmed yet.", value=read.outbox_waiting
    )
    yield from (crossings, coverage, waiting)
