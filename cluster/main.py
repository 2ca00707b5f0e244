"""Starts the whole system on Ray, and stops it: counting shards, relay, detector, API, supervisor and its workers."""

import contextlib
import io
import logging
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

import ray
import structlog
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.remote import CountingActor, JobActor, RelayActor
from actors.worker.keeper import PicturesTo
from cluster.detector import deploy_detector
from cluster.fleet import SupervisorActor
from cluster.jobs import job_plan
from cluster.model_records import note_opened, note_refused
from cluster.preflight import check_port, check_sealed, check_storage
from cluster.ray_start import start_ray
from cluster.resources import CONTROL, CONTROL_SHARE
from cluster.services import Endpoints
from cluster.supervisor import Overview
from schema.database import migrate
from schema.errors import BadInput
from schema.names import (
    API_APP,
    API_DEPLOYMENT,
    RAY_NAMESPACE,
    RELAY_ACTOR,
    SUPERVISOR_ACTOR,
    counter_actor,
    job_actor,
)
from schema.ports import DetectorSpec
from schema.settings import Settings
from serve_app.api.deployment import Api
from serve_app.client import ServedDetector
from serve_app.deployments import OpenModel

log = structlog.get_logger(__name__)

DRAIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """A system that this process started. ``api_url`` is None where no API was wanted."""

    settings: Settings
    endpoints: Endpoints
    model: DetectorSpec
    open_model: OpenModel | None
    api_url: str | None
    supervisor: ActorHandle[Any]
    others: tuple[ActorHandle[Any], ...]
    """Counting shards, relay and job workers: they live as long as somebody holds them."""
    dashboard_url: str

    def overview(self) -> Overview:
        """What the supervisor saw last."""
        return cast(Overview, ray.get(self.supervisor.overview.remote()))

    def change_model(self, model: str) -> DetectorSpec:
        """Swap the model live; the old one answers until the new one is open.

        Raises:
            BadInput: the new one cannot be opened, and the old one stays.
        """
        return _deploy_model(self.settings, self.endpoints, model, self.open_model)

    def stop(self) -> None:
        """Let go of all cameras, deliver what was counted, and end every process that was started."""
        with contextlib.suppress(RayError, ValueError):
            workers = [ray.get_actor(name) for name in ray.get(self.supervisor.stop.remote(), timeout=DRAIN_S)]
            drained: list[Any] = [worker.drain.remote(DRAIN_S) for worker in workers]
            if drained:
                ray.wait(drained, num_returns=len(drained), timeout=2 * DRAIN_S)
            for worker in workers:
                ray.kill(worker)
        serve.shutdown()
        ray.shutdown()


def start(
    settings: Settings,
    endpoints: Endpoints,
    *,
    with_api: bool = True,
    with_live_cameras: bool = True,
    open_model: OpenModel | None = None,
) -> Running:
    """Bring up everything but the services, which must be there; cameras are found in PostgreSQL.

    Args:
        settings: what to start.
        endpoints: where the services are.
        with_api: serve the query API.
        with_live_cameras: watch live cameras too, not only recordings.
        open_model: a module's function that opens the model in the detector's replica; None takes ``open_detector``.

    Raises:
        BadInput: the database belongs to a newer version, the keys do not open what is sealed in it, the model cannot
            be opened, the API's port is taken, or the file storage refuses us.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if with_api:
        check_port(settings)
    migrate(endpoints.postgres_owner_dsn)
    check_sealed(settings, endpoints)
    check_storage(settings)
    dashboard_url = start_ray(settings)
    try:
        counters = [_control(CountingActor, counter_actor(n)).remote(
            n, endpoints.postgres_dsn, endpoints.redis_url
        ) for n in range(settings.counting_shards)]  # fmt: skip
        relay = _control(RelayActor, RELAY_ACTOR).remote(endpoints.postgres_dsn, endpoints.amqp_url)
        serve.start(
            proxy_location="HeadOnly" if with_api else "Disabled",
            http_options={"host": settings.api.host, "port": settings.api.port},
        )
        model = _deploy_model(settings, endpoints, settings.model, open_model)
        if with_api:
            _start_api(settings, endpoints)
        ray.get([counter.heal.remote() for counter in counters])
        plan = job_plan(
            endpoints.postgres_dsn, settings.storage, redis_url=endpoints.redis_url, amqp_url=endpoints.amqp_url
        )
        workers = [_control(JobActor, job_actor(n)).remote(
            job_actor(n), endpoints.postgres_dsn, endpoints.amqp_url, plan
        ) for n in range(settings.jobs.workers)]  # fmt: skip
        supervisor = _control(SupervisorActor, SUPERVISOR_ACTOR).remote(
            endpoints.postgres_dsn,
            endpoints.redis_url,
            str(settings.home / "journals"),
            ServedDetector(),
            settings.counting_shards,
            settings.workers.cameras_per_worker,
            with_live_cameras,
            PicturesTo(dsn=endpoints.postgres_dsn, storage=settings.storage) if settings.evidence.enabled else None,
        )
    except BaseException:
        serve.shutdown()
        ray.shutdown()
        raise
    return Running(
        settings=settings,
        endpoints=endpoints,
        model=model,
        open_model=open_model,
        api_url=f"http://{settings.api.host}:{settings.api.port}" if with_api else None,
        supervisor=supervisor,
        others=(*counters, relay, *workers),
        dashboard_url=dashboard_url,
    )


@contextlib.contextmanager
def running(
    settings: Settings,
    endpoints: Endpoints,
    *,
    with_api: bool = True,
    with_live_cameras: bool = True,
    open_model: OpenModel | None = None,
) -> Generator[Running]:
    """The system from ``start`` to ``stop``; takes what ``start`` takes.

    Ray prints its news on standard output, which is for results: they go to ``ray.log`` under the home.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "ray.log").open("a") as news, contextlib.redirect_stdout(news):
        system = start(
            settings, endpoints, with_api=with_api, with_live_cameras=with_live_cameras, open_model=open_model
        )
        try:
            yield system
        finally:
            # Ray reports the end of its own controller, which we ask for, as an error.
            with contextlib.redirect_stdout(io.StringIO()):
                system.stop()


def _deploy_model(settings: Settings, endpoints: Endpoints, model: str, open_model: OpenModel | None) -> DetectorSpec:
    """As ``deploy_detector``, and the store knows of it."""
    try:
        spec = deploy_detector(settings, model, open_model)
    except BadInput as error:
        note_refused(endpoints.postgres_dsn, asked=model, reason=str(error), now_ns=time.time_ns())
        raise
    note_opened(endpoints.postgres_dsn, spec, asked=model, now_ns=time.time_ns())
    return spec


def _control(actor: Any, name: str) -> Any:
    return actor.options(name=name, namespace=RAY_NAMESPACE, resources={CONTROL: CONTROL_SHARE})


def _start_api(settings: Settings, endpoints: Endpoints) -> None:
    api = cast(Any, serve.deployment)(
        Api,
        name=API_DEPLOYMENT,
        max_ongoing_requests=1000,
        ray_actor_options={"num_cpus": 0, "resources": {CONTROL: CONTROL_SHARE}},
    )
    serve.run(
        api.bind(endpoints.postgres_dsn, endpoints.redis_url, settings.storage, settings.postgres_replica_dsns),
        name=API_APP,
        route_prefix="/",
    )
