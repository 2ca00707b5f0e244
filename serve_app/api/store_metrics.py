"""What the store says, read anew whenever Prometheus asks."""

import time
from collections.abc import Iterator

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schema import names
from schema.database import across_tenants
from schema.database.routing import Database
from schema.errors import Retryable
from schema.queries import figures
from schema.queries.figures import Figures

_log = structlog.get_logger(__name__)


class StoreCollector(Collector):
    """Counts, coverage and backlog from PostgreSQL; while it is away, only the metric that says so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Nothing, so that registering does not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        try:
            with across_tenants(self._database.primary) as session:
                read = figures.read(session, now_ns=time.time_ns())
        except Retryable as error:
            _log.warning("Figures could not be read from the store", error=str(error))
            read = None
        yield GaugeMetricFamily(
            "turnstile_store_up", "Whether PostgreSQL answers: 1 or 0.", value=int(read is not None)
        )
        if read is not None:
            yield from _families(read)
        yield from _routing(self._database)


def _routing(database: Database) -> Iterator[Metric]:
    reads = CounterMetricFamily(names.READS_TOTAL, "Questions by the kind of server that answered.", labels=("server",))
    for server, count in database.reads.items():
        reads.add_metric((server,), count)
    behind = GaugeMetricFamily(
        names.REPLICA_LAG_SECONDS,
        "How old what a replica shows is; absent while it cannot be used.",
        labels=("replica",),
    )
    for replica in database.replicas():
        if replica.behind_s is not None:
            behind.add_metric((replica.place,), replica.behind_s)
    yield from (reads, behind)


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
